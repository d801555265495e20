// Turning the clock: what everything that repeats, waits or retries is made of.
//
// INVARIANTS
// - A loop never overlaps itself: the next turn begins after the last has settled.
// - A loop never outlives its signal; what waits ends at once when the signal fires.
// - An error in a turn is logged and the loop goes on, after a pause that grows up to 32 times.
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from './errors.ts'
import type { Log } from './log.ts'

/** Waits `ms`; returns early, without an error, when the signal fires. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, { ref: true, ...(signal && { signal }) }).catch(() => undefined)
}

/** Full jitter: a random wait up to `baseMs * 2^attempt`, at most `capMs`. */
export function backoffMs(attempt: number, baseMs: number, capMs: number): number {
  return Math.random() * Math.min(capMs, baseMs * 2 ** attempt)
}

/** The pause before another try: `baseMs`, and a random part that grows up to `capMs`. Returns early with the signal. */
export function pauseAfter(
  failures: number,
  baseMs: number,
  capMs: number,
  signal: AbortSignal,
): Promise<void> {
  return sleep(baseMs + backoffMs(failures, baseMs, capMs), signal)
}

/** A bell that a loop sleeps on: rings are kept until somebody listens, and many rings count as one. */
export class Bell {
  #rung = false
  #wake: (() => void) | undefined

  ring = (): void => {
    this.#rung = true
    this.#wake?.()
  }

  /** Resolves at the next ring, after `limitMs`, or when the signal fires, whichever is first. */
  async wait(limitMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      // Not AbortSignal.any: on Node 20 each call leaves some 60 bytes behind on a signal that lives long.
      await new Promise<void>((resolve) => {
        const timer = setTimeout(end, limitMs)
        signal.addEventListener('abort', end, { once: true })
        this.#wake = end
        function end(): void {
          clearTimeout(timer)
          signal.removeEventListener('abort', end)
          resolve()
        }
      })
      this.#wake = undefined
    }
    this.#rung = false
  }
}

export interface LoopOptions {
  name: string
  /** Longest time between two turns; when it may change it is asked after each, and does not throw. */
  everyMs: number | (() => number)
  signal: AbortSignal
  log: Log
  /** Rings to begin the next turn at once. */
  bell?: Bell
}

/** Repeats `turn` until the signal fires. Resolves once the last turn has settled. */
export async function loop(options: LoopOptions, turn: () => Promise<void>): Promise<void> {
  const { name, everyMs, signal, log, bell = new Bell() } = options
  let failures = 0
  while (!signal.aborted) {
    try {
      await turn()
      failures = 0
    } catch (error) {
      if (signal.aborted) return
      log.warn({ loop: name, error: messageOf(error), failures }, 'a turn failed and is tried again')
      failures = Math.min(failures + 1, 5)
      await sleep(backoffMs(failures, 100, 3_200), signal)
      continue
    }
    await bell.wait(typeof everyMs === 'number' ? everyMs : everyMs(), signal)
  }
}

/** Rejects with the error of `late` when `promise` has not settled within `limitMs`. */
export async function within<T>(promise: Promise<T>, limitMs: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), limitMs)
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}
