// Reading the event log from where a reader left off: etcd's history first if need be, then memory, then live.

import { Bell } from '../../../shared/loop.ts'
import type { EventLog } from '../../stores/mirror/eventLog.ts'
import type { LogEntry } from '../../stores/mirror/logEntry.ts'

/** Entries that are handed over before others get their turn. */
const batchSize = 200

export interface Batch {
  entries: readonly LogEntry[]
  /** With these entries everything up to this revision was handed over; undefined: more comes at once. */
  revision: number | undefined
}

/** Where a reader is: it has seen all commits up to `after`, and of the next one the events up to place `within`. */
export interface Position {
  after: number
  within: number
}

const form = /^(\d{1,15})(?:-(\d{1,5}))?$/

/** `4711`: all of that revision; `4711-2`: up to the event with that id. */
export function positionOf(id: string): Position | undefined {
  const [, revision, place] = form.exec(id) ?? []
  if (revision === undefined) return undefined
  return place === undefined
    ? { after: Number(revision), within: -1 }
    : { after: Number(revision) - 1, within: Number(place) }
}

/** Whether the position comes before the other one. */
export function isBefore(one: Position, other: Position): boolean {
  return one.after !== other.after ? one.after < other.after : one.within < other.within
}

/**
 * Hands over every change after the revision, exactly once and in order, until the signal fires; an empty batch when
 * nothing came for `tickMs`. Ends when the reader has fallen so far behind that memory has lost its place.
 * @throws CompactedError when etcd has thrown away what comes next; ArmadaError unavailable.
 */
export async function* readLog(
  log: EventLog,
  after: number,
  tickMs: number,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  let seen = after
  while (!signal.aborted && !(await log.covers(seen))) {
    const to = log.from
    for await (const entries of log.before(seen, to)) yield { entries, revision: undefined }
    seen = to
  }
  const bell = new Bell()
  const off = log.onCommit(bell.ring)
  try {
    for (let place = log.placeAfter(seen); !signal.aborted; ) {
      if (place < log.first) return
      const entries = log.slice(place, place + batchSize)
      place += entries.length
      const { end, revision } = log
      if (place < end) {
        yield { entries, revision: undefined }
        continue
      }
      yield { entries, revision }
      if (place === log.end && log.revision === revision) await bell.wait(tickMs, signal)
    }
  } finally {
    off()
  }
}
