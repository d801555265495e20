// Crash brake: a fleet whose ships keep failing gets new ones ever more slowly.
//
// INVARIANTS
// - Every growth of the number of Failed ships doubles the pause before the next ships are made: 1 s to 60 s.
// - A minute without another failure, the pause not counted, and all is forgotten.

const firstPauseMs = 1_000
const longestPauseMs = 60_000
const calmMs = 60_000

export interface CrashRecord {
  failed: number
  /** Growths in a row. */
  streak: number
  lastAtMs: number
  /** No new ships before. */
  untilMs: number
}

/** The fleet's record after a look at its number of Failed ships. */
export function noteFailures(before: CrashRecord | undefined, failed: number, nowMs: number): CrashRecord {
  if (!before) return { failed, streak: 0, lastAtMs: nowMs, untilMs: 0 }
  if (failed <= before.failed) {
    const calm = nowMs - Math.max(before.lastAtMs, before.untilMs) > calmMs
    return { ...before, failed, streak: calm ? 0 : before.streak }
  }
  const streak = before.streak + 1
  const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (streak - 1))
  return { failed, streak, lastAtMs: nowMs, untilMs: nowMs + pauseMs }
}
