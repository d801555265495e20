// Reading server-sent events from the ApiServer.
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { ArmadaError, messageOf } from '../errors.ts'
import { asker, textOf } from './exchange.ts'
import { errorOf } from './problem.ts'

export interface StreamEvent {
  event: string
  data: string
  id: string | undefined
}

export interface EventStreamOptions {
  /** Full URL of the stream. */
  url: string
  token: string
  signal: AbortSignal
  /** Goes on behind the event with this id. */
  lastEventId?: string
  /** The stream counts as broken when nothing came for so long; the ApiServer sends a ping every 10 s. */
  silenceMs?: number
}

/**
 * Yields events until the stream ends or the signal fires. It does not reconnect: the caller does, because
 * what must happen after a gap is the caller's to know.
 * @throws ArmadaError with the code of the answer when it is refused; unavailable when it cannot be opened, breaks or
 * falls silent.
 */
export async function* eventStream(options: EventStreamOptions): AsyncGenerator<StreamEvent> {
  const { url, token, signal, lastEventId, silenceMs = 25_000 } = options
  // Not AbortSignal.any: on Node 20 each call leaves something behind on a signal that lives long.
  const over = new AbortController()
  const end = () => over.abort()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  let silent = false
  const fallSilent = () => {
    silent = true
    end()
  }
  let timer = setTimeout(fallSilent, silenceMs)
  try {
    const answer = await asker(url, { keepAlive: false })(url, {
      headers: {
        ...{ authorization: `Bearer ${token}`, accept: 'text/event-stream' },
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      },
      signal: over.signal,
    })
    if (answer.statusCode !== 200) throw errorOf(answer.statusCode ?? 0, await textOf(answer))
    const events: EventSourceMessage[] = []
    const parser = createParser({ onEvent: (event) => events.push(event) })
    for await (const part of answer.setEncoding('utf8')) {
      parser.feed(part)
      for (const { event = 'message', data, id } of events.splice(0)) {
        clearTimeout(timer)
        yield { event, data, id }
        timer = setTimeout(fallSilent, silenceMs)
      }
    }
  } catch (error) {
    if (signal.aborted) return
    if (error instanceof ArmadaError) throw error
    const why = silent ? `nothing came for ${silenceMs} ms` : messageOf(error)
    throw new ArmadaError('unavailable', `The event stream of the ApiServer broke off: ${why}`, {
      cause: error,
    })
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
    // Also when nobody reads on.
    end()
  }
}
