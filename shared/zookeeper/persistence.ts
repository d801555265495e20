// Asking again while the way to ZooKeeper fails, and asking for many things a few at a time.
import { ArmadaError, messageOf } from '../errors.ts'
import { backoffMs, sleep } from '../loop.ts'
import type { ZooKeeper } from './client.ts'
import { isPassing } from './keeperError.ts'

export interface Patience {
  signal?: AbortSignal | undefined
  /** Default: until the signal fires. */
  limitMs?: number
}

/**
 * Repeats an idempotent request until it is answered. Errors of the request itself are thrown at once.
 * @throws ArmadaError `unavailable` after `limitMs`, with the last error as its cause; the signal's reason.
 */
export async function persistently<T>(
  zk: ZooKeeper,
  { signal, limitMs }: Patience,
  request: () => Promise<T>,
): Promise<T> {
  const endMs = performance.now() + (limitMs ?? Number.POSITIVE_INFINITY)
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await request()
    } catch (error) {
      if (!isPassing(error)) throw error
      const leftMs = endMs - performance.now()
      if (leftMs <= 0) {
        const detail = `ZooKeeper gave no answer within ${limitMs} ms (${messageOf(error)}). Try again later.`
        throw new ArmadaError('unavailable', detail, { cause: error, retryAfterSeconds: 2 })
      }
      if (zk.state === 'connected') await sleep(Math.min(leftMs, backoffMs(attempt, 20, 1_000)), signal)
      else await zk.connected(signal, Number.isFinite(leftMs) ? leftMs : undefined)
    }
  }
}

/** Runs `work` for each item, at most `width` at a time; results in the order of the items. */
export async function each<I, O>(
  items: readonly I[],
  width: number,
  work: (item: I) => Promise<O>,
): Promise<O[]> {
  const results = new Array<O>(items.length)
  const rest = items.entries()
  const lane = async (): Promise<void> => {
    for (const [i, item] of rest) results[i] = await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane))
  return results
}
