// Every request gets an id, a log line and a limit on its body.
import { randomUUID } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { routePath } from 'hono/route'
import { ArmadaError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { readTrace } from '../../shared/trace.ts'
import type { Env } from './authenticate.ts'

/** What is told of every request to whoever measures them. */
export interface RequestWatch {
  began(): void
  answered(answer: { method: string; route: string; status: number; seconds: number }): void
}

export interface IdentifyOptions {
  watch?: RequestWatch
  /** Level of the lines of requests that change nothing. */
  reads?: 'info' | 'debug'
}

/** Asked every few seconds by machines; at `info` they would hide everything else. */
const quiet = new Set(['/healthz', '/readyz', '/metrics'])

/**
 * Takes over a well-formed `X-Request-Id`, else makes one; answers with it. Takes over the trace of a
 * `traceparent`. Writes one line to the log when it is answered; of a stream, when it begins.
 */
export function identify(log: Log, { watch, reads = 'info' }: IdentifyOptions = {}): MiddlewareHandler<Env> {
  return async (c, next) => {
    const sent = c.req.header('x-request-id')
    const requestId = sent && /^[\w-]{1,64}$/.test(sent) ? sent : randomUUID()
    c.set('requestId', requestId)
    answerWith(c, 'x-request-id', requestId)
    const trace = readTrace(c.req.header('traceparent'))
    if (trace) c.set('trace', trace)
    const startedAt = performance.now()
    watch?.began()
    await next()
    const ms = performance.now() - startedAt
    const { method, path } = c.req
    const { status } = c.res
    const route = routeOf(c)
    watch?.answered({ method, route, status, seconds: ms / 1_000 })
    const caller = c.get('caller')
    const fields = {
      requestId,
      ...(trace && { traceId: trace.id }),
      ...(caller && { role: caller.role, caller: caller.name }),
      ...{ method, route, path: path.slice(0, 200), status, ms: Math.round(ms * 10) / 10 },
    }
    const level = quiet.has(route) ? 'debug' : isRead(method) ? reads : 'info'
    log[level](fields, 'answered')
  }
}

/** On Node past Hono, which would make a `Headers` object of every answer for it. */
function answerWith(c: Context<Env>, name: string, value: string): void {
  const { outgoing } = (c.env ?? {}) as Partial<HttpBindings>
  if (outgoing) outgoing.setHeader(name, value)
  else c.header(name, value)
}

/** The pattern that answered, never the path itself: callers could make any number of those. */
export function routeOf(c: Context): string {
  const pattern = routePath(c, -1)
  return pattern.endsWith('*') ? 'none' : pattern
}

/** Refuses larger bodies. Only where a body can come: the check costs three quarters of a GET's speed. */
export function limitBody(maxBytes: number): MiddlewareHandler<Env> {
  const limit = bodyLimit({
    maxSize: maxBytes,
    onError: async (c) => {
      await discard(c.req.raw.body, 8 * maxBytes)
      throw new ArmadaError(
        'body_too_large',
        `The body may have at most ${maxBytes} bytes. Send fewer entries at once.`,
      )
    },
  })
  return (c, next) => (isRead(c.req.method) ? next() : limit(c, next))
}

/** A client that is still sending when the connection closes never reads the answer, so a little more is taken in. */
async function discard(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<void> {
  if (!body || body.locked) return
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > maxBytes) return
  }
}

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}
