// What the edge does not answer itself goes to an ApiServer on Node, as its caller sent it.

import type { Context } from 'hono'
import { ArmadaError, messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { newTrace, traceparentOf } from '../../shared/trace.ts'
import type { Env } from './authenticate.ts'
import { isRead } from './request.ts'

export interface ForwardOptions {
  /** URL of the ApiServer, or of the load balancer before it. */
  api: string
  /** How long the answer may take to begin. Streams may then go on for as long as they like. */
  limitMs?: number
  log: Log
}

/** The handler throws ArmadaError unavailable when no ApiServer answers. */
export function forward({
  api,
  limitMs = 8_000,
  log,
}: ForwardOptions): (c: Context<Env>) => Promise<Response> {
  return async (c) => {
    const { pathname, search } = new URL(c.req.url)
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), limitMs)
    try {
      const { method, body } = c.req.raw
      const response = await fetch(api + pathname + search, {
        method,
        headers: headersOf(c),
        body,
        redirect: 'manual',
        signal: late.signal,
        duplex: 'half',
      })
      if (isOfAnApiServer(response)) return response
      await response.body?.cancel()
      throw new Error(`HTTP ${response.status} from what stands before it`)
    } catch (error) {
      const reason = late.signal.aborted ? `no answer within ${limitMs} ms` : messageOf(error)
      const fields = {
        requestId: c.get('requestId'),
        method: c.req.method,
        path: pathname,
        api,
        error: reason,
      }
      log.warn(fields, 'the ApiServer does not answer')
      throw noAnswer(c, error)
    } finally {
      clearTimeout(timer)
    }
  }
}

/** The caller's own headers: an ApiServer asks them who calls, just as if they had come to it directly. */
function headersOf(c: Context<Env>): Headers {
  const headers = new Headers(c.req.raw.headers)
  headers.delete('host')
  headers.set('x-request-id', c.get('requestId'))
  headers.set('traceparent', traceparentOf(c.get('trace') ?? newTrace()))
  const from = headers.get('cf-connecting-ip')
  const passed = headers.get('x-forwarded-for')?.split(/\s*,\s*/) ?? []
  if (from && passed.at(-1) !== from) headers.set('x-forwarded-for', [...passed, from].join(', '))
  return headers
}

/** Load balancers and Cloudflare itself answer for a server that is away, with a page for people. */
function isOfAnApiServer({ status, headers }: Response): boolean {
  return status < 500 || /^application\/(problem\+)?json\b/.test(headers.get('content-type') ?? '')
}

function noAnswer(c: Context<Env>, cause: unknown): ArmadaError {
  const detail = isRead(c.req.method)
    ? 'The edge cannot answer this itself, and the ApiServer behind it does not answer. Try again.'
    : 'The ApiServer behind the edge does not answer, so it is unknown whether this was carried out. Look, or send it again with the same Idempotency-Key.'
  return new ArmadaError('unavailable', detail, { cause, retryAfterSeconds: 2 })
}
