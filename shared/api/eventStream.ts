// Reading server-sent events from the ApiServer.
import { EventSourceParserStream } from 'eventsource-parser/stream'
import { fetch } from 'undici'
import { ArmadaError, messageOf } from '../errors.ts'

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
  /** The stream counts as broken when nothing came for so long; the ApiServer sends a ping every 10 s. */
  silenceMs?: number
}

/**
 * Yields events until the stream ends or the signal fires. It does not reconnect: the caller does, because
 * what must happen after a gap is the caller's to know.
 * @throws ArmadaError unavailable when it cannot be opened, breaks or falls silent.
 */
export async function* eventStream(options: EventStreamOptions): AsyncGenerator<StreamEvent> {
  const { url, token, signal, silenceMs = 25_000 } = options
  const silence = new AbortController()
  let timer = setTimeout(() => silence.abort(), silenceMs)
  try {
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
      signal: AbortSignal.any([signal, silence.signal]),
    })
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`)
    const events = response.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream())
    for await (const { event = 'message', data, id } of events) {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), silenceMs)
      yield { event, data, id }
    }
  } catch (error) {
    if (signal.aborted) return
    const why = silence.signal.aborted ? `nothing came for ${silenceMs} ms` : messageOf(error)
    throw new ArmadaError('unavailable', `The event stream of the ApiServer broke off: ${why}`, {
      cause: error,
    })
  } finally {
    clearTimeout(timer)
  }
}
