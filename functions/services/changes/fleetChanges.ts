// What happens to a fleet: every change of its record that people want, with what its history tells of it.
import type { Autoscale, Autoscaling } from '../../../shared/model/autoscale.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import { type FleetEntry, withEntry } from '../../../shared/model/history.ts'
import { type Traced, traced } from '../../../shared/trace.ts'

/** The record with what has just become of it in its history. */
export function remembering(fleet: Fleet, what: FleetEntry['what'], reason?: string): Fleet {
  const entry = { at: new Date().toISOString(), what, ...(reason !== undefined && { reason }) }
  // What a quota leaves changes all the time, as does what a policy wants; the last word tells it all.
  const repeats = (last: FleetEntry) => last.what === what && (what === 'held' || what === 'autoscaled')
  return { ...fleet, history: withEntry<FleetEntry>(fleet.history, entry, repeats) }
}

export type NewFleet = Pick<
  Fleet,
  | 'name'
  | 'blueprint'
  | 'naming'
  | 'replicas'
  | 'labels'
  | 'priority'
  | 'strategy'
  | 'overflow'
  | 'follow'
  | 'autoscale'
>

/** Who asked for a change. */
export interface Asker extends Traced {
  by: string
}

export function newFleet(wanted: NewFleet, { by, traceId }: Asker): Fleet {
  const createdAt = new Date().toISOString()
  const empty = { ...wanted, deleting: false, generation: 0, ...traced({ traceId }), createdAt }
  return remembering(empty, 'created', `${wanted.replicas} ships, by ${by}`)
}

export function scaled(fleet: Fleet, replicas: number, by: string): Fleet {
  if (replicas === fleet.replicas) return fleet
  return remembering({ ...fleet, replicas }, 'scaled', `from ${fleet.replicas} to ${replicas} by ${by}`)
}

/** @param autoscale null: people decide again. */
export function withPolicy(fleet: Fleet, autoscale: Autoscale | null, by: string): Fleet {
  if (JSON.stringify(autoscale) === JSON.stringify(fleet.autoscale ?? null)) return fleet
  const { autoscale: _, autoscaling: __, ...rest } = fleet
  const told = autoscale
    ? `${autoscale.min} to ${autoscale.max} ships by ${autoscale.policy.type}, ordered by ${by}`
    : `no more, ordered by ${by}`
  return remembering({ ...rest, ...(autoscale && { autoscale }) }, 'policy', told)
}

export function deleting(fleet: Fleet, { by, traceId }: Asker): Fleet {
  return fleet.deleting
    ? fleet
    : remembering({ ...fleet, replicas: 0, deleting: true, ...traced({ traceId }) }, 'deleting', `by ${by}`)
}

/** @param crashLoop why its ships are made ever more slowly; null: they are not any more. */
export function crashing(fleet: Fleet, crashLoop: string | null): Fleet {
  const { crashLoop: before, ...rest } = fleet
  if (crashLoop === null) return before === undefined ? fleet : rest
  const next = { ...rest, crashLoop }
  // Its numbers change with every failure; that it is one is told once.
  return before === undefined ? remembering(next, 'crash-loop', crashLoop) : next
}

/** What the leading controllers decided, kept within the policy as it is by now. */
export function autoscaled(
  fleet: Fleet & { autoscale: Autoscale },
  replicas: number,
  { wanted, why }: Pick<Autoscaling, 'wanted' | 'why'>,
): Fleet {
  const { min, max } = fleet.autoscale
  const bounded = Math.max(min, Math.min(max, replicas))
  const autoscaling = { wanted, why, at: new Date().toISOString() }
  const next = { ...fleet, replicas: bounded, autoscaling }
  const told = `from ${fleet.replicas} to ${bounded}: ${why}`
  return bounded === fleet.replicas ? next : remembering(next, 'autoscaled', told)
}
