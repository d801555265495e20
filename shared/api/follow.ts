// Following a stream of events for as long as one likes, over breaks, restarts and other ApiServers.
import { ArmadaError } from '../errors.ts'
import { backoffMs, sleep } from '../loop.ts'
import { eventStream, type StreamEvent } from './eventStream.ts'

export interface FollowOptions {
  /** Full URL of the stream, `?watch=true` with it; of several the next one is taken after a break. */
  url: string | readonly string[]
  token: string
  signal: AbortSignal
  /** Where to go on from: the id of the last event that was dealt with. */
  lastEventId?: string
  /** A stream that says nothing for so long is opened anew. */
  silenceMs?: number
  /** Told of every break. */
  onBreak?: (error: unknown) => void
}

/**
 * Yields what the stream tells, each event once, and comes back by itself with the id of the last one. Ends when the
 * signal fires. After a `reset` something was missed that nobody can tell: list again.
 * @throws ArmadaError when asking again would not help: forbidden, invalid_request, not_found and the like.
 */
export async function* follow(options: FollowOptions): AsyncGenerator<StreamEvent> {
  const { token, signal, silenceMs, onBreak } = options
  const urls = typeof options.url === 'string' ? [options.url] : options.url
  let { lastEventId } = options
  let failures = 0
  for (let turn = 0; !signal.aborted; turn++) {
    const url = urls[turn % urls.length] as string
    try {
      const stream = eventStream({
        ...{ url, token, signal },
        ...(lastEventId !== undefined && { lastEventId }),
        ...(silenceMs !== undefined && { silenceMs }),
      })
      for await (const event of stream) {
        failures = 0
        if (event.id) lastEventId = event.id
        yield event
      }
      onBreak?.(new Error('the stream ended'))
    } catch (error) {
      if (error instanceof ArmadaError && !error.retryable && error.code !== 'internal') throw error
      onBreak?.(error)
    }
    // At once after a stream that had something to tell; many that were cut off together do not all come at once.
    await sleep(backoffMs(failures++, 200, 10_000), signal)
  }
}
