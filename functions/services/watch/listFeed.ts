// Watching a list: what is on it, then what comes, changes and goes. Tells states, not steps: a record that changes
// several times before its reader takes it is told once, as it is then.
import { sleep } from '../../../shared/loop.ts'
import { CompactedError } from '../../stores/etcd/kv.ts'
import type { EventLog } from '../../stores/mirror/eventLog.ts'
import type { LogEntry } from '../../stores/mirror/logEntry.ts'
import { bookmark, bookmarkMs } from './eventFeed.ts'
import { type Position, readLog } from './logReader.ts'
import { type Frame, frame } from './sse.ts'

/** Views that are put together at once. */
const chunkSize = 100

export interface WatchedList {
  /** The field that names a record. */
  key: 'id' | 'name'
  /** Names of all records, in order. */
  names(): Iterable<string>
  /** Names of the records whose view the change may have changed, as far as the caller may know of them. */
  touched(entry: LogEntry): readonly string[]
  /** The views as the list shows them, as JSON; undefined for what is gone or does not match. */
  views(names: readonly string[]): Promise<(string | undefined)[]>
  /** Names of records that look different without having been changed; asked at every bookmark. */
  stirred?(): Promise<string[]>
  /** Changes within this time are told together. */
  gatherMs?: number
}

export interface ListFeedOptions {
  list: WatchedList
  /** Where the reader left off; undefined: it begins; lost: nobody knows. */
  position: Position | 'lost' | undefined
  signal: AbortSignal
}

export async function* listFeed(log: EventLog, options: ListFeedOptions): AsyncGenerator<Frame> {
  const { list, position, signal } = options
  if (position === 'lost') yield reset(log)
  let markedAtMs = Number.NEGATIVE_INFINITY
  let after = position === 'lost' ? undefined : position?.after
  /** true: the reader has it; false: it has been told that it is gone. */
  let told = new Map<string, boolean>()
  /** Whether the reader has nothing that is not in `told`. */
  let complete = false

  async function* tell(names: Iterable<string>): AsyncGenerator<[event: string, data: string]> {
    for (const chunk of chunks(names)) {
      for (const [i, view] of (await list.views(chunk)).entries()) {
        const name = chunk[i] as string
        if (view !== undefined) {
          told.set(name, true)
          yield ['put', view]
        } else if (told.get(name) ?? !complete) {
          told.set(name, false)
          yield ['delete', JSON.stringify({ [list.key]: name })]
        }
      }
    }
  }

  while (!signal.aborted) {
    try {
      if (after === undefined) {
        const { revision } = log
        told = new Map()
        complete = true
        for await (const [event, data] of tell([...list.names()])) yield frame(event, data)
        yield bookmark(revision)
        markedAtMs = performance.now()
        after = revision
      }
      let changed = new Set<string>()
      let stirredAtMs = performance.now()
      for await (const { entries, revision } of readLog(log, after, bookmarkMs, signal)) {
        for (const entry of entries) for (const name of list.touched(entry)) changed.add(name)
        if (revision === undefined) continue
        const nowMs = performance.now()
        if (list.stirred && nowMs - stirredAtMs >= bookmarkMs * 0.9) {
          stirredAtMs = nowMs
          for (const name of await list.stirred()) changed.add(name)
        }
        const names = changed
        changed = new Set()
        // Only the last one may say how far the reader is then.
        let last: [string, string] | undefined
        for await (const next of tell(names)) {
          if (last) yield frame(...last)
          last = next
        }
        if (last) yield frame(...last, String(revision))
        else if (nowMs - markedAtMs >= bookmarkMs * 0.9) yield bookmark(revision)
        else continue
        markedAtMs = nowMs
        if (last && list.gatherMs) await sleep(list.gatherMs, signal)
      }
      return
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error
      yield reset(log)
      after = undefined
    }
  }
}

/** Without an id: who breaks off before the bookmark that follows has not got everything, and begins anew. */
function reset({ revision }: EventLog): Frame {
  return frame('reset', JSON.stringify({ revision: String(revision) }))
}

function* chunks(names: Iterable<string>): Generator<string[]> {
  let chunk: string[] = []
  for (const name of names) {
    if (chunk.push(name) < chunkSize) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
