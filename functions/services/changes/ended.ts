// Allocations whose sessions a ship has ended by itself and that nobody gave back, as by matchmakers of Agones, which
// know of no giving back: they are forgotten when there is no place for another one. Pure.
import type { Allocation } from '../../../shared/model/allocation.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { withdrawn } from './given.ts'
import { isProbed } from './probed.ts'

/** Until then its caller may still try again, and its players are on their way. */
const settledMs = 60_000

/** The record without the oldest of them; undefined when there is none. */
export function withoutOldestEnded(ship: Ship, nowMs: number): Ship | undefined {
  const ended = ship.allocations?.find((one) => hasEnded(ship, one, nowMs))
  return ended && withdrawn(ship, ended.id)
}

/** One that added nothing to count is told from others by its age alone. */
function hasEnded(
  { counters = {}, lists = {}, countedDown = {} }: Ship,
  { at, leaseUntil, undo = {} }: Allocation,
  nowMs: number,
): boolean {
  if (leaseUntil !== null || nowMs - Date.parse(at) < settledMs) return false
  const isCounted = ([name, added]: [string, number]) => {
    const counter = counters[name]
    return !counter || isProbed(counter) || (countedDown[name] ?? 0) >= added
  }
  const isOff = ([name, values]: [string, string[]]) =>
    !values.some((value) => lists[name]?.values.includes(value))
  return Object.entries(undo.counters ?? {}).every(isCounted) && Object.entries(undo.lists ?? {}).every(isOff)
}
