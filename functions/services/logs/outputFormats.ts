// A ship's output as it is sent: lines of text, or server-sent events.
import type { Context } from 'hono'
import { messageOf } from '../../../shared/errors.ts'
import type { Env } from '../../middleware/authenticate.ts'
import type { OutputEvent } from './shipOutput.ts'

export interface Format {
  contentType: string
  textOf(event: OutputEvent): string
  /** Sent when nothing else was for a while. */
  ping: string
}

const pingMs = 10_000
const mayReadMs = 3_000

/** Who does not follow gets the ship's lines and nothing else about its end. */
export function asText(timestamps: boolean, follow: boolean): Format {
  const note = (text: string) => `--- ${text} ---\n`
  return {
    contentType: 'text/plain; charset=utf-8',
    ping: '',
    textOf(event) {
      switch (event.is) {
        case 'line':
          return `${timestamps ? `${event.line.at} ` : ''}${event.line.text}\n`
        case 'kept':
          return `${event.text}\n`
        case 'skipped':
          return note(`${skippedText(event.lines, event.more)}, they came too fast`)
        case 'attempt':
          return note(`attempt ${event.attempt} on host "${event.host}"`)
        case 'waiting':
          return note(`waiting: ${event.reason}`)
        case 'end':
          if (!follow) return ''
          return note(
            `ended${event.state ? ` as ${event.state}` : ''}${event.reason ? `: ${event.reason}` : ''}`,
          )
      }
    },
  }
}

function skippedText(lines: number, more: boolean): string {
  if (lines === 0) return 'some lines are left out'
  return `${more ? 'more than ' : ''}${lines} ${lines === 1 ? 'line is' : 'lines are'} left out`
}

export const asEvents: Format = {
  contentType: 'text/event-stream',
  ping: 'event: ping\ndata:\n\n',
  textOf(event) {
    const { is, ...data } = event
    if (event.is === 'line') {
      return `event: line\nid: ${event.attempt}/${event.line.at}\ndata: ${JSON.stringify(event.line)}\n\n`
    }
    if (event.is === 'kept') {
      return `event: line\ndata: ${JSON.stringify({ at: null, stream: null, text: event.text })}\n\n`
    }
    return `event: ${is}\ndata: ${JSON.stringify(data)}\n\n`
  },
}

export interface ResponseOptions {
  format: Format
  follow: boolean
  /** Fires when the reader goes, and ends it when it fires. */
  over: AbortController
  leave: () => void
  /** Asked now and then: when it says no, the stream ends. */
  mayRead: () => Promise<boolean>
}

/** A response that asks for more output as its reader takes it. What fails before the first output is thrown. */
export async function responseOf(
  c: Context<Env>,
  output: AsyncGenerator<OutputEvent[]>,
  { format, follow, over, leave, mayRead }: ResponseOptions,
): Promise<Response> {
  const encoder = new TextEncoder()
  let sentAtMs = performance.now()
  let askedAtMs = sentAtMs
  let isLeft = false
  const end = () => {
    over.abort()
    if (!isLeft) leave()
    isLeft = true
  }
  const next = async (): Promise<string | undefined> => {
    for (;;) {
      const { done, value } = await output.next()
      if (done) return undefined
      if (performance.now() - askedAtMs > mayReadMs) {
        askedAtMs = performance.now()
        if (!(await mayRead())) return undefined
      }
      const text = value.map(format.textOf).join('')
      if (text !== '') return text
      if (follow && performance.now() - sentAtMs > pingMs && format.ping !== '') return format.ping
    }
  }
  let first: string | undefined = ''
  try {
    if (!follow) first = await next()
  } catch (error) {
    end()
    throw error
  }
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const text = first === '' ? await next() : first
          first = ''
          if (text === undefined) {
            end()
            return controller.close()
          }
          sentAtMs = performance.now()
          controller.enqueue(encoder.encode(text))
        } catch (error) {
          end()
          controller.enqueue(encoder.encode(format.textOf({ is: 'waiting', reason: messageOf(error) })))
          controller.close()
        }
      },
      async cancel() {
        end()
        await output.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
  return c.body(body, 200, { 'content-type': format.contentType })
}
