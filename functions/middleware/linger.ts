// An answer that does not wait for the whole request: the rest is read and dropped before the answer ends. Closed
// earlier, a client that is still sending would find a broken connection where the answer is (RFC 9112, 9.6).

import type { Readable } from 'node:stream'
import type { MiddlewareHandler } from 'hono'
import { bindingsOf } from './answer.ts'
import type { Env } from './authenticate.ts'

/** A sender that stands still for some seconds gets its answer too. */
const lingerMs = 10_000
/** Four times the largest body that is ever read. */
const mostBytes = 8 * 1024 * 1024

export const linger: MiddlewareHandler<Env> = async (c, next) => {
  await next()
  const { incoming } = bindingsOf(c)
  if (incoming && !incoming.complete) c.res = new Response(withRest(c.res.body, incoming), c.res)
}

/** The answer itself goes out at once. */
function withRest(answer: ReadableStream<Uint8Array> | null, incoming: Readable): ReadableStream {
  return ReadableStream.from(
    (async function* () {
      if (answer) yield* answer
      await restOf(incoming)
    })(),
  )
}

/** Resolves when everything has come, or more or later than is waited for. */
export function restOf(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.readableEnded || stream.destroyed) return resolve()
    const timer = setTimeout(end, lingerMs)
    let bytes = 0
    // Whoever began to read it keeps what comes.
    stream.removeAllListeners('data')
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > mostBytes) end()
    })
    stream.once('close', end).resume()
    function end(): void {
      clearTimeout(timer)
      resolve()
    }
  })
}
