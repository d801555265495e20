// Crash brake: a fleet whose ships of one revision keep failing gets new ones of it ever more slowly.
//
// INVARIANTS
// - Every growth of the number of Failed ships doubles the pause before the next ships are made: 1 s to 60 s.
// - A minute without another failure, the pause not counted, and all is forgotten.

import type { FleetView } from '../../../../shared/model/fleet.ts'

const firstPauseMs = 1_000
const longestPauseMs = 60_000
const calmMs = 60_000
/** Failures in a row that are called a crash loop. */
const loopStreak = 3

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

type Braked = Pick<FleetView, 'name' | 'blueprint' | 'failures' | 'crashLoop'>

/** The brakes of all fleets, each for the revision that its fleet has now. */
export class Brakes {
  readonly #records = new Map<string, CrashRecord & { revision: number }>()

  /** Takes note of a fleet's failures. @returns whether no ships of its revision are to be made just now. */
  look({ name, blueprint: { revision }, failures, crashLoop }: Braked, nowMs: number): boolean {
    const found = this.#records.get(name)
    const before = found?.revision === revision ? found : undefined
    const record = noteFailures(before, failures, nowMs)
    // What an earlier leader called a crash loop is one until a minute has gone well.
    if (!before && crashLoop !== undefined) record.streak = loopStreak
    this.#records.set(name, { ...record, revision })
    return nowMs < record.untilMs
  }

  /** What is to be told of a fleet that came into a crash loop, or out of it. */
  wordOn({ name, blueprint, crashLoop }: Braked): { do: 'tell'; crashLoop: string | null } | undefined {
    const record = this.#records.get(name)
    if (!record) return undefined
    if (record.streak === 0 && crashLoop !== undefined) return { do: 'tell', crashLoop: null }
    if (record.streak < loopStreak || crashLoop !== undefined) return undefined
    const what = `Ships of revision ${blueprint.revision} keep failing (${record.failed} are on record)`
    return {
      do: 'tell',
      crashLoop: `${what}: new ones are made ever more slowly, at most one step a minute.`,
    }
  }

  forgetAllBut(fleets: readonly Pick<Braked, 'name'>[]): void {
    const names = new Set(fleets.map(({ name }) => name))
    for (const name of this.#records.keys()) if (!names.has(name)) this.#records.delete(name)
  }
}
