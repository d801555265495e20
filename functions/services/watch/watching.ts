// Requests with `?watch=true`: where their readers left off, and the stream that goes on from there.
import type { Context } from 'hono'
import { ArmadaError } from '../../../shared/errors.ts'
import { assertStillCaller, type Env } from '../../middleware/authenticate.ts'
import type { Stores } from '../../stores/stores.ts'
import { type EventWish, eventFeed } from './eventFeed.ts'
import { listFeed, type WatchedList } from './listFeed.ts'
import { type Position, positionOf } from './logReader.ts'
import { streamed } from './sse.ts'
import type { OpenStream, StreamDesk } from './streamDesk.ts'

/** For how long a reader that has seen more elsewhere waits until memory has come as far. */
const catchUpMs = 2_000

export interface Watching {
  events(c: Context<Env>, wants: EventWish): Promise<Response>
  list(c: Context<Env>, list: WatchedList): Promise<Response>
}

export function watching({ eventLog, mirror, kv }: Stores, desk: StreamDesk): Watching {
  return {
    async events(c, wants) {
      const position = await positionIn(c)
      const stream = await open(c)
      return streamed(c, stream, eventFeed(eventLog, { position, wants, signal: stream.signal }))
    },
    async list(c, list) {
      const position = await positionIn(c)
      const stream = await open(c)
      return streamed(c, stream, listFeed(eventLog, { position, list, signal: stream.signal }))
    },
  }

  /** A token that was revoked while we waited ends no stream that comes after. */
  async function open(c: Context<Env>): Promise<OpenStream> {
    const stream = desk.open(c.get('caller'))
    try {
      await assertStillCaller(c)
      return stream
    } catch (error) {
      stream.end()
      throw error
    }
  }

  /** @throws ArmadaError invalid_request, unavailable. */
  async function positionIn(c: Context<Env>): Promise<Position | 'lost' | undefined> {
    // The header first: who comes back sends it beside the query of the first time.
    const id = c.req.header('last-event-id') || c.req.query('lastEventId')
    if (!id) return undefined
    const position = positionOf(id)
    if (!position) {
      const detail = `In Last-Event-ID: "${id.slice(0, 40)}" is no id of an event. Send one as it came, or none to begin anew.`
      throw new ArmadaError('invalid_request', detail)
    }
    const { after } = position
    await mirror.reach(after, catchUpMs)
    if (after <= eventLog.revision) return position
    // Either memory lags behind, or etcd was set back to a time before.
    if ((await kv.revision()) < after) return 'lost'
    throw new ArmadaError('unavailable', `Memory is behind revision ${after}. Try again.`, {
      retryAfterSeconds: 1,
    })
  }
}
