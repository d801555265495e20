// What happens to a fleet: every change of its record that people want, with what its history tells of it.
import type { Fleet } from '../../../shared/model/fleet.ts'
import { type FleetEntry, withEntry } from '../../../shared/model/history.ts'

/** The record with what has just become of it in its history. */
export function remembering(fleet: Fleet, what: FleetEntry['what'], reason?: string): Fleet {
  const entry = { at: new Date().toISOString(), what, ...(reason !== undefined && { reason }) }
  // What a quota leaves changes all the time; the last word tells it all.
  const repeats = (last: FleetEntry) => what === 'held' && last.what === 'held'
  return { ...fleet, history: withEntry<FleetEntry>(fleet.history, entry, repeats) }
}

export type NewFleet = Pick<Fleet, 'name' | 'blueprint' | 'replicas' | 'labels' | 'priority'>

export function newFleet(wanted: NewFleet, by: string): Fleet {
  const empty = { ...wanted, deleting: false, generation: 0, createdAt: new Date().toISOString() }
  return remembering(empty, 'created', `${wanted.replicas} ships, by ${by}`)
}

export interface FleetChange {
  replicas: number | undefined
  revision: number | undefined
  by: string
}

export function patched(fleet: Fleet, { replicas, revision, by }: FleetChange): Fleet {
  let next = fleet
  if (replicas !== undefined && replicas !== fleet.replicas) {
    next = remembering({ ...next, replicas }, 'scaled', `from ${fleet.replicas} to ${replicas} by ${by}`)
  }
  const { revision: now } = fleet.blueprint
  if (revision !== undefined && revision !== now) {
    const other = { ...next, blueprint: { ...next.blueprint, revision } }
    next = remembering(other, 'revised', `from ${now} to ${revision} by ${by}`)
  }
  return next
}

export function deleting(fleet: Fleet, by: string): Fleet {
  return fleet.deleting
    ? fleet
    : remembering({ ...fleet, replicas: 0, deleting: true }, 'deleting', `by ${by}`)
}
