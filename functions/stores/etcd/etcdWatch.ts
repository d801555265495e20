// Following etcd from a revision on, over watch streams of our own.
//
// INVARIANTS
// - A broken stream goes on behind the last change that was handed over. etcd3's own watcher goes on behind the
//   revision that etcd names when it answers, and etcd names its newest one before it has sent what came until
//   then: a second break meanwhile, or more than 1,000 missed commits, and changes are lost without a word.
// - What etcd has compacted is said (`gap`, CompactedError), never passed over.
import type { Etcd3, IWatchResponse } from 'etcd3'
import { ArmadaError, messageOf } from '../../../shared/errors.ts'
import { backoffMs, sleep } from '../../../shared/loop.ts'
import { type Change, CompactedError, type WatchHandlers } from './kv.ts'

type WatchClient = Etcd3['watchClient']
type WatchStream = Awaited<ReturnType<WatchClient['watch']>>
type WatchEvent = IWatchResponse['events'][number]

/** etcd begins to answer within a tenth of a second; a stream that says nothing for so long never will. */
const silenceMs = 5_000

export interface KeyRange {
  start: Buffer
  end: Buffer
}

/** Hands over every change of the range after `revision`, until it is closed or etcd has a gap. */
export function follow(
  client: WatchClient,
  range: KeyRange,
  revision: number,
  handlers: WatchHandlers,
): { close(): Promise<void> } {
  const closed = new AbortController()
  let at = revision
  let attempt = 0
  let stream: WatchStream | undefined

  function take(response: IWatchResponse): void {
    if (closed.signal.aborted) return
    if (response.canceled) {
      closed.abort()
      handlers.gap(response.cancel_reason || `etcd has compacted revision ${at + 1}`)
      return
    }
    attempt = 0
    if (response.created) {
      handlers.connected(true)
      return
    }
    // Without events it says how far etcd is; with events only the last of them does.
    at = Number(response.events.at(-1)?.kv.mod_revision ?? response.header.revision)
    handlers.changes(response.events.map(change), at)
  }

  async function run(): Promise<void> {
    while (!closed.signal.aborted) {
      try {
        stream = await client.watch()
        await untilBroken(stream, range, at + 1, take)
      } catch {
        // Told below, and tried again.
      }
      stream?.cancel()
      if (closed.signal.aborted) return
      handlers.connected(false)
      await sleep(backoffMs(attempt++, 100, 1_000), closed.signal)
    }
  }

  void run()
  return {
    async close() {
      closed.abort()
      stream?.cancel()
    },
  }
}

function untilBroken(
  stream: WatchStream,
  { start, end }: KeyRange,
  from: number,
  take: (response: IWatchResponse) => void,
): Promise<void> {
  return new Promise((resolve) => {
    stream.on('data', take)
    stream.on('error', () => resolve())
    stream.on('end', resolve)
    stream.write({
      create_request: { key: start, range_end: end, start_revision: String(from), progress_notify: true },
    })
  })
}

/**
 * Yields every change of the store after `from` up to `to`, in order and with the values before. Of all keys: so
 * that a change at `to` is sure to come, which ends it. Takes from etcd only as fast as it is read.
 * @throws CompactedError when etcd cannot tell all of it any more; ArmadaError unavailable.
 */
export async function* history(client: WatchClient, from: number, to: number): AsyncGenerator<Change[]> {
  if (to <= from) return
  const stream = await client.watch().catch((error) => {
    throw unavailable(error)
  })
  let timer = setTimeout(() => stream.cancel(), silenceMs)
  const all = Buffer.from([0])
  // Fragments keep one message small; the pieces of a commit come one after the other.
  const request = {
    key: all,
    range_end: all,
    start_revision: String(from + 1),
    prev_kv: true,
    fragment: true,
  }
  stream.write({ create_request: request })
  try {
    for await (const response of stream as unknown as AsyncIterable<IWatchResponse>) {
      clearTimeout(timer)
      if (response.canceled) throw new CompactedError(Number(response.compact_revision))
      if (response.events.some(lacksBefore)) throw new CompactedError(undefined)
      const changes = response.events.map(change)
      yield changes.filter(({ revision }) => revision <= to)
      const last = changes.at(-1)?.revision ?? 0
      if (last > to || (last === to && !response.fragment)) return
      timer = setTimeout(() => stream.cancel(), silenceMs)
    }
    throw new Error('the stream ended')
  } catch (error) {
    throw error instanceof CompactedError ? error : unavailable(error)
  } finally {
    clearTimeout(timer)
    stream.on('error', () => undefined)
    stream.cancel()
  }
}

/** The key was there before, but etcd has thrown away what it was: a compaction has caught up. */
function lacksBefore({ type, kv, prev_kv }: WatchEvent): boolean {
  return !prev_kv && (type === 'Delete' || kv.create_revision !== kv.mod_revision)
}

function change({ type, kv, prev_kv }: WatchEvent): Change {
  return {
    key: kv.key.toString(),
    value: type === 'Delete' ? undefined : kv.value.toString(),
    revision: Number(kv.mod_revision),
    ...(prev_kv && { before: prev_kv.value.toString() }),
  }
}

function unavailable(error: unknown): ArmadaError {
  const detail = `etcd does not tell what happened: ${messageOf(error)}`
  return new ArmadaError('unavailable', detail, { cause: error, retryAfterSeconds: 1 })
}
