// The first player of a session, who confirms its lease: one more than were there before. Pure.
import type { Allocation } from '../../../shared/model/allocation.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { confirm } from './allocating.ts'

/** Agents tell every 5 s what probes counted, which may be 10 s old: it may be of what went on before. */
const lateMs = 15_000

/** What a lease remembers of the players whom its ship has when it is taken, as they were last told. */
export function thereBefore({ stateSince }: Ship, players: number, nowMs: number): Allocation['there'] {
  if (players === 0) return undefined
  // Those of the session before are about to leave: who is counted later on has come.
  const isFresh = nowMs - Date.parse(stateSince) < lateMs
  return { players, until: isFresh ? new Date(nowMs + lateMs).toISOString() : null }
}

/** The record as it is once so many are counted; undefined: nothing follows. */
export function counted(ship: Ship, players: number, nowMs: number): Ship | undefined {
  const [only, other] = ship.allocations ?? []
  // Where several sessions share a ship nobody knows whose player it is.
  if (!only || other || only.leaseUntil === null) return undefined
  const { there = { players: 0, until: null } } = only
  const isOver = there.until !== null && Date.parse(there.until) <= nowMs
  const before = isOver ? 0 : there.players
  if (players > before) return confirm(ship, 'its first player')
  if (isOver || players === before) return undefined
  return { ...ship, allocations: [{ ...only, there: { ...there, players } }] }
}
