// The stream of events: each exactly once and in order, from where its reader left off.
import type { ArmadaEvent } from '../../../shared/model/event.ts'
import { CompactedError } from '../../stores/etcd/kv.ts'
import type { EventLog } from '../../stores/mirror/eventLog.ts'
import { type Position, readLog } from './logReader.ts'
import { type Frame, frame } from './sse.ts'

/** A reader hears at least this often, and learns how far it may say it has seen everything. */
export const bookmarkMs = 10_000

/** An event is written out once for all readers. */
const frames = new WeakMap<ArmadaEvent, Frame>()

function frameOf(event: ArmadaEvent): Frame {
  let text = frames.get(event)
  if (!text) {
    text = frame('event', JSON.stringify(event), event.id)
    frames.set(event, text)
  }
  return text
}

export function bookmark(revision: number): Frame {
  return frame('bookmark', JSON.stringify({ revision: String(revision) }), String(revision))
}

/** What was missed cannot be told: list again, then go on from here. */
function reset(revision: number): Frame {
  return frame('reset', JSON.stringify({ revision: String(revision) }), String(revision))
}

export type EventWish = (event: ArmadaEvent) => boolean

export interface FeedOptions {
  /** Where the reader left off; undefined: it begins now; lost: nobody knows. */
  position: Position | 'lost' | undefined
  wants: EventWish
  signal: AbortSignal
}

export async function* eventFeed(
  log: EventLog,
  { position, wants, signal }: FeedOptions,
): AsyncGenerator<Frame> {
  const now = { after: log.revision, within: -1 }
  if (position === 'lost') yield reset(now.after)
  let { after, within } = position === 'lost' ? now : (position ?? now)
  let markedAtMs = Number.NEGATIVE_INFINITY
  while (!signal.aborted) {
    try {
      for await (const { entries, revision } of readLog(log, after, bookmarkMs, signal)) {
        for (const { kind, events, place, revision: at } of entries) {
          if (kind === 'gap') yield reset(at)
          const seen = at === after + 1 ? within - place + 1 : 0
          for (const event of seen > 0 ? events.slice(seen) : events) if (wants(event)) yield frameOf(event)
        }
        if (revision === undefined || performance.now() - markedAtMs < bookmarkMs * 0.9) continue
        markedAtMs = performance.now()
        yield bookmark(revision)
      }
      return
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error
      after = log.revision
      within = -1
      yield reset(after)
    }
  }
}
