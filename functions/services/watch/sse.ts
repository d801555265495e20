// Server-sent events: frames, and the answer that carries them as fast as its reader takes them.

import type { Context } from 'hono'
import { bindingsOf } from '../../middleware/answer.ts'
import type { Env } from '../../middleware/authenticate.ts'
import type { OpenStream } from './streamDesk.ts'

export type Frame = Uint8Array<ArrayBuffer>

const encoder = new TextEncoder()

/** @param data one line, such as JSON. @param id where to go on from: `Last-Event-ID`. */
export function frame(event: string, data: string, id?: string): Frame {
  return encoder.encode(`event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`)
}

/** Answers with the frames. Each is asked for only when the reader has taken those before. */
export function streamed(c: Context<Env>, stream: OpenStream, frames: AsyncGenerator<Frame>): Response {
  const { outgoing } = bindingsOf(c)
  let stalled: NodeJS.Timeout | undefined
  function end(): void {
    clearTimeout(stalled)
    stream.end()
    void frames.return(undefined).catch(() => undefined)
  }
  const body = new ReadableStream<Frame>(
    {
      async pull(controller) {
        clearTimeout(stalled)
        const { value, done } = await frames.next().catch(() => ({ value: undefined, done: true }))
        if (done || !value) {
          end()
          controller.close()
          return
        }
        controller.enqueue(value)
        stalled = setTimeout(() => {
          end()
          outgoing?.destroy()
        }, stream.stallMs)
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  )
  return c.body(body, 200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    // Else nginx gathers what it passes on.
    'x-accel-buffering': 'no',
  })
}
