// Every request gets an id, is counted, and leaves a line in the log.
import { randomUUID } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import { ArmadaError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { readTrace, type Trace, type Traced, tracesOf } from '../../shared/trace.ts'
import { answerWith, bindingsOf } from './answer.ts'
import type { Env } from './authenticate.ts'
import type { Caller } from './callers.ts'
import { findAddress } from './clientAddress.ts'

/** What is told of every request to whoever measures them. */
export interface RequestWatch {
  began(): void
  answered(answer: { method: string; route: string; status: number; seconds: number }): void
}

export interface IdentifyOptions {
  watch?: RequestWatch
  /** Level of the lines of requests that change nothing and were not denied. */
  reads?: 'info' | 'debug'
  /** Proxies of our own before this server. */
  proxyHops?: number
}

/** Asked every few seconds by machines; at `info` they would hide everything else. */
const quiet = new Set(['/healthz', '/readyz', '/metrics', '/v1/monitor/sessions/:session'])

/** What is told of a request when it is answered; of a stream, when it begins. */
export interface Answered {
  requestId: string
  trace?: Trace | undefined
  traceIds?: readonly string[] | undefined
  address?: string | undefined
  caller?: Caller | undefined
  method: string
  /** The pattern that answered. */
  route: string
  path: string
  status: number
  /** How long it took. */
  ms: number
}

/** Counts requests, and writes one line of each to the log. */
export class RequestLog {
  readonly #log: Log
  readonly #watch: RequestWatch | undefined
  readonly #reads: 'info' | 'debug'

  constructor(log: Log, { watch, reads = 'info' }: IdentifyOptions) {
    this.#log = log
    this.#watch = watch
    this.#reads = reads
  }

  began(): void {
    this.#watch?.began()
  }

  answered({ requestId, trace, traceIds, address, caller, method, route, path, status, ms }: Answered): void {
    this.#watch?.answered({ method, route, status, seconds: ms / 1_000 })
    const fields = {
      requestId,
      ...(trace && { traceId: trace.id }),
      ...(traceIds && { traceIds }),
      ...(address && { address }),
      ...(caller && { role: caller.role, caller: caller.name }),
      ...{ method, route, path: path.slice(0, 200), status, ms: Math.round(ms * 10) / 10 },
    }
    const isDenied = status === 401 || status === 403 || status === 429
    const level = quiet.has(route) ? 'debug' : isRead(method) && !isDenied ? this.#reads : 'info'
    this.#log[level](fields, 'answered')
  }
}

/** Takes over a well-formed `X-Request-Id`, else makes one. */
export function requestIdOf(sent: string | null | undefined): string {
  return sent && /^[\w-]{1,64}$/.test(sent) ? sent : randomUUID()
}

/** Gives the request its id, answers with it, takes over the trace of a `traceparent`, and tells of it at the end. */
export function identify(log: Log, options: IdentifyOptions = {}): MiddlewareHandler<Env> {
  const { proxyHops = 0 } = options
  const requests = new RequestLog(log, options)
  return async (c, next) => {
    const requestId = requestIdOf(c.req.header('x-request-id'))
    c.set('requestId', requestId)
    answerWith(c, 'x-request-id', requestId)
    // What is true now, or secret: nobody on the way is to keep it.
    if (c.req.path.startsWith('/v1/')) answerWith(c, 'cache-control', 'no-store')
    const trace = readTrace(c.req.header('traceparent'))
    if (trace) c.set('trace', trace)
    const address = findAddress(bindingsOf(c).incoming, proxyHops)
    if (address) c.set('address', address)
    const startedAt = performance.now()
    requests.began()
    await next()
    const ms = performance.now() - startedAt
    const { method, path } = c.req
    const { status } = c.res
    const { traceIds, caller } = c.var
    const of = { requestId, trace, traceIds, address, caller }
    requests.answered({ method, route: routeOf(c), path, status, ms, ...of })
  }
}

/** The items of a request's body may each be of a trace of their own: its line in the log has them all. */
export function tellTraces(c: Context<Env>, items: readonly Traced[]): void {
  const others = tracesOf(items).filter((id) => id !== c.get('trace')?.id)
  if (others.length > 0) c.set('traceIds', others)
}

/** `.` or `..` as a part of the path, spelt out or as %2e. */
const dots = /^[^?#]*\/(?:\.|%2e){1,2}(?:[/?#]|$)/i

/** What is read as another path than was written is refused: whoever guards paths before us would be passed by. */
export const literalPath: MiddlewareHandler<Env> = (c, next) => {
  const { incoming } = bindingsOf(c)
  if (incoming?.url && dots.test(incoming.url)) {
    throw new ArmadaError(
      'invalid_request',
      'No part of the path may be "." or "..": write out what is meant.',
    )
  }
  return next()
}

/** The pattern that answered, never the path itself: callers could make any number of those. */
export function routeOf(c: Context): string {
  const pattern = routePath(c, -1)
  return pattern.endsWith('*') ? 'none' : pattern
}

/** It changes nothing. */
export function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}
