// Counters that the probe keeps: the players whom a game names, and those whom allocations have sent there lately. Pure.
import type { Ship, ShipSample } from '../../../shared/model/ship.ts'
import type { Counter, Counters } from '../../../shared/model/shipData.ts'

/** Players whom an allocation sends are there by then, and counted by the probe, or do not come. */
const onTheirWayMs = 30_000

type Said = Pick<ShipSample, 'players' | 'maxPlayers'>

/** The counters as the game has just been counted; undefined when that changes nothing. */
export function probedCounters(
  ship: Ship,
  { players, maxPlayers }: Said,
  nowMs: number,
): Counters | undefined {
  if (players === null || !ship.counters) return undefined
  let isNews = false
  const next = { ...ship.counters }
  for (const [name, old] of Object.entries(ship.counters)) {
    if (!isProbed(old)) continue
    const capacity = maxPlayers || old.capacity
    const count = Math.min(capacity, players + expected(ship, name, nowMs))
    isNews ||= count !== old.count || capacity !== old.capacity
    next[name] = { ...old, count, capacity }
  }
  return isNews ? next : undefined
}

export function isProbed({ countedBy }: Counter): boolean {
  return countedBy === 'probe'
}

function expected({ allocations = [] }: Ship, name: string, nowMs: number): number {
  const recent = allocations.filter(({ at }) => nowMs - Date.parse(at) < onTheirWayMs)
  const added = recent.reduce((sum, { undo }) => sum + (undo?.counters?.[name] ?? 0), 0)
  return Math.max(0, added)
}
