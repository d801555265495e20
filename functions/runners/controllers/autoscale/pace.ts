// How fast a fleet may grow and shrink: windows that damp, and steps that limit.
//
// INVARIANTS
// - What was there when the memory began counts as wanted then: a new leader, who remembers nothing, shrinks no fleet
//   before a whole window has passed.
// - Within any `periodMs` no more than `most` ships are added, and no more than `most` taken away, but for what min and
//   max demand.
// - A memory stays small however often it is asked: of the wishes in a window only those are kept that may yet count.
import type { Pace } from '../../../../shared/model/autoscale.ts'

interface Mark {
  atMs: number
  ships: number
}

export interface Memory {
  /** The replicas as they were seen last. */
  replicas: number
  /** Wishes of the window, of which the highest comes first: each lower and later than the one before. */
  highs: readonly Mark[]
  /** The same the other way round. */
  lows: readonly Mark[]
  /** What was added lately, and what was taken away. */
  added: readonly Mark[]
  removed: readonly Mark[]
}

export interface Paces {
  up: Pace
  down: Pace
}

export function newMemory(replicas: number, nowMs: number): Memory {
  const mark = [{ atMs: nowMs, ships: replicas }]
  return { replicas, highs: mark, lows: mark, added: [], removed: [] }
}

/** The memory with how many replicas there are now, and how many the policy asks for. */
export function noted(
  memory: Memory,
  { up, down }: Paces,
  replicas: number,
  ships: number,
  nowMs: number,
): Memory {
  const mark = { atMs: nowMs, ships }
  const change = replicas - memory.replicas
  return {
    replicas,
    highs: [...within(memory.highs, down.stabilisationMs, nowMs).filter((one) => one.ships > ships), mark],
    lows: [...within(memory.lows, up.stabilisationMs, nowMs).filter((one) => one.ships < ships), mark],
    added: moved(memory.added, change, up.periodMs, nowMs),
    removed: moved(memory.removed, -change, down.periodMs, nowMs),
  }
}

/** Where the fleet goes from here, and what holds it back. @param memory with the newest wish noted. */
export function paced(memory: Memory, { up, down }: Paces): { ships: number; why: string } {
  const { replicas, highs, lows, added, removed } = memory
  const wish = (highs.at(-1) as Mark).ships
  const least = (lows[0] as Mark).ships
  const most = (highs[0] as Mark).ships
  const steady = replicas < least ? least : replicas > most ? most : replicas
  if (steady > replicas) {
    const ships = Math.min(steady, replicas + left(up, added, replicas - sum(added)))
    if (ships < steady) return { ships, why: `at most ${up.most} more within ${seconds(up.periodMs)}` }
  }
  if (steady < replicas) {
    const ships = Math.max(steady, replicas - left(down, removed, replicas))
    if (ships > steady) return { ships, why: `at most ${down.most} fewer within ${seconds(down.periodMs)}` }
  }
  if (steady < wish) return { ships: steady, why: `fewer were enough within ${seconds(up.stabilisationMs)}` }
  if (steady > wish) return { ships: steady, why: `more were wanted within ${seconds(down.stabilisationMs)}` }
  return { ships: steady, why: '' }
}

function within(marks: readonly Mark[], windowMs: number, nowMs: number): readonly Mark[] {
  return marks.filter(({ atMs }) => atMs > nowMs - windowMs)
}

/** Changes that are near one another are kept as one, at the time at which the last of them may have been. */
function moved(marks: readonly Mark[], ships: number, periodMs: number, nowMs: number): readonly Mark[] {
  const kept = within(marks, periodMs, nowMs)
  if (ships <= 0) return kept
  const last = kept.at(-1)
  if (last && last.atMs >= nowMs) return [...kept.slice(0, -1), { ...last, ships: last.ships + ships }]
  return [...kept, { atMs: nowMs + periodMs / 100, ships }]
}

function sum(marks: readonly Mark[]): number {
  return marks.reduce((all, { ships }) => all + ships, 0)
}

/** Ships that may yet be moved within the period. @param base what a share is a share of: no more than there were. */
function left({ most }: Pace, marks: readonly Mark[], base: number): number {
  if (most === undefined) return Number.POSITIVE_INFINITY
  const step =
    typeof most === 'number' ? most : Math.max(1, Math.floor((base * Number.parseInt(most, 10)) / 100))
  return Math.max(0, step - sum(marks))
}

function seconds(ms: number): string {
  return `${ms / 1_000} s`
}
