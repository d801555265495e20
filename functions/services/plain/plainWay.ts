// The way past Hono, for the few requests that come thousands of times a second: what they have in common.
//
// INVARIANTS
// - What is answered on it Hono would answer in the same words: tests compare the two.
// - Only what is plain: a good token that memory knows, and nothing unusual. Whatever else there is, such as a refusal
//   before anything is done, is left to Hono.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ProblemCode } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { readTrace } from '../../../shared/trace.ts'
import { type AuditLog, tellAudit } from '../../middleware/audit.ts'
import { bearerOf, type Caller, type Callers } from '../../middleware/callers.ts'
import { findAddress } from '../../middleware/clientAddress.ts'
import type { TokenRates } from '../../middleware/rates.ts'
import { type IdentifyOptions, RequestLog, requestIdOf } from '../../middleware/request.ts'

/** Hono's server reads any other more closely, and may refuse it. */
const plainHost = /^[a-z0-9._-]+(:([1-5]\d{3,4}|[6-9]\d{3}))?$/

/** Takes the request and says true, or leaves it untouched. What it took it may still hand on to `longWay`. */
export type PlainHandler = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  longWay: () => void,
) => boolean

export interface PlainWayOptions {
  audit: AuditLog
  callers: Callers
  rates: TokenRates
  log: Log
  requests: IdentifyOptions
}

/** One request that is being answered. */
export interface PlainAnswer {
  readonly requestId: string
  /** @param code of the problem that the text tells. */
  send(status: number, headers: Record<string, string>, text: string, code?: ProblemCode): void
}

export class PlainWay {
  readonly #audit: AuditLog
  readonly #callers: Callers
  readonly #rates: TokenRates
  readonly #told: RequestLog
  readonly #hops: number

  constructor({ audit, callers, rates, log, requests }: PlainWayOptions) {
    this.#audit = audit
    this.#callers = callers
    this.#rates = rates
    this.#told = new RequestLog(log, requests)
    this.#hops = requests.proxyHops ?? 0
  }

  /** @param unusual headers that only the long way reads. */
  callerOf(
    { headers, rawHeaders }: IncomingMessage,
    roles: ReadonlySet<string>,
    unusual: readonly string[],
  ): Caller | undefined {
    if (unusual.some((name) => headers[name] !== undefined) || !plainHost.test(headers.host ?? ''))
      return undefined
    const token = bearerOf(headers.authorization)
    // Of several Node shows the first.
    const isPlain = !isTwice(rawHeaders, 'authorization') && !isTwice(rawHeaders, 'content-type')
    const caller = token !== undefined && isPlain ? this.#callers.known(token) : undefined
    return caller && roles.has(caller.role) ? caller : undefined
  }

  /** Counts the request. False: its token was used too often. */
  admits(caller: Caller): boolean {
    return this.#rates.take(caller) === 0
  }

  begin(incoming: IncomingMessage, outgoing: ServerResponse, caller: Caller, route: string): PlainAnswer {
    const { headers, method = '', url: path = '' } = incoming
    const startedAt = performance.now()
    this.#told.began()
    const requestId = requestIdOf(headers['x-request-id'] as string | undefined)
    const address = findAddress(incoming, this.#hops)
    const trace = readTrace(headers.traceparent as string | undefined)
    const send: PlainAnswer['send'] = (status, more, text, code) => {
      const what = { method, path, status, code: code ?? null }
      const { role, name } = caller
      void tellAudit(this.#audit, { role, ...what }, () => ({
        at: new Date().toISOString(),
        caller: { role, name },
        ...{ route, subject: null, requestId, address: address ?? null, count: 1 },
        ...what,
      }))
      outgoing.writeHead(status, {
        'x-request-id': requestId,
        'cache-control': 'no-store',
        ...more,
        'content-length': Buffer.byteLength(text),
      })
      outgoing.end(text)
      const ms = performance.now() - startedAt
      this.#told.answered({ requestId, trace, address, caller, method, route, path, status, ms })
    }
    return { requestId, send }
  }
}

function isTwice(rawHeaders: readonly string[], name: string): boolean {
  const isThis = (text: string, index: number) =>
    index % 2 === 0 && text.length === name.length && text.toLowerCase() === name
  return rawHeaders.findIndex(isThis) !== rawHeaders.findLastIndex(isThis)
}
