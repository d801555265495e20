// Every request gets an id, a log line and a limit on its body.
import { randomUUID } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { ArmadaError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Env } from './authenticate.ts'

/** Takes over a well-formed `X-Request-Id`, else makes one; answers with it. */
export function identify(log: Log): MiddlewareHandler<Env> {
  return async (c, next) => {
    const sent = c.req.header('x-request-id')
    const requestId = sent && /^[\w-]{1,64}$/.test(sent) ? sent : randomUUID()
    c.set('requestId', requestId)
    c.header('x-request-id', requestId)
    const startedAt = performance.now()
    await next()
    const { method, path } = c.req
    const took = {
      requestId,
      method,
      path,
      status: c.res.status,
      ms: Math.round(performance.now() - startedAt),
    }
    log.debug(took, 'answered')
  }
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
  return (c, next) => (c.req.method === 'GET' || c.req.method === 'HEAD' ? next() : limit(c, next))
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
