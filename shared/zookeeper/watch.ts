// Watching a node: its children or its value, as a stream of what is there now.
//
// On suspended: nothing is yielded, what was yielded last may be out of date. On lost: the same. After every
// reconnection, of a new session too, it is read again and yielded again. Changes in quick succession are
// one reading; a missing node reads as empty (or undefined), and its creation is noticed.
import { Bell } from '../loop.ts'
import type { ZooKeeper } from './client.ts'
import { isPassing } from './keeperError.ts'

/** Watches do not get lost within a connection, so this is only the longest trust in that. */
const longestTrustMs = 600_000

/** Yields `read()`, which must leave a watch on the path, now and after every change. Ends with the signal. */
export async function* readings<T>(
  zk: ZooKeeper,
  path: string,
  signal: AbortSignal,
  read: () => Promise<T>,
): AsyncGenerator<T> {
  const bell = new Bell()
  const stopPath = zk.onPath(path, bell.ring)
  const stopState = zk.onState((state) => {
    if (state === 'connected' || state === 'closed') bell.ring()
  })
  try {
    while (!signal.aborted) {
      let trustMs = longestTrustMs
      try {
        const value = await read()
        if (signal.aborted) return
        yield value
      } catch (error) {
        if (signal.aborted) return
        if (!isPassing(error)) throw error
        trustMs = 1_000
      }
      await bell.wait(trustMs, signal)
    }
  } finally {
    stopPath()
    stopState()
  }
}

/** The node's value, `undefined` while there is none. */
export async function* watchValue(
  zk: ZooKeeper,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Buffer | undefined> {
  for await (const found of readings(zk, path, signal, () => zk.get(path, true))) yield found?.data
}
