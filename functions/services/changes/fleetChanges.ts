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

export type NewFleet = Pick<Fleet, 'name' | 'blueprint' | 'replicas' | 'labels' | 'priority' | 'autoscale'>

/** Who asked for a change. */
export interface Asker extends Traced {
  by: string
}

export function newFleet(wanted: NewFleet, { by, traceId }: Asker): Fleet {
  const createdAt = new Date().toISOString()
  const empty = { ...wanted, deleting: false, generation: 0, ...traced({ traceId }), createdAt }
  return remembering(empty, 'created', `${wanted.replicas} ships, by ${by}`)
}

export interface FleetChange extends Asker {
  replicas: number | undefined
  /** null: people decide again. */
  autoscale: Autoscale | null | undefined
  revision: number | undefined
}

export function patched(fleet: Fleet, { replicas, autoscale, revision, by, traceId }: FleetChange): Fleet {
  let next = fleet
  if (autoscale !== undefined && JSON.stringify(autoscale) !== JSON.stringify(fleet.autoscale ?? null)) {
    const { autoscale: _, autoscaling: __, ...rest } = next
    const told = autoscale
      ? `${autoscale.min} to ${autoscale.max} ships by ${autoscale.policy.type}, ordered by ${by}`
      : `no more, ordered by ${by}`
    next = remembering({ ...rest, ...(autoscale && { autoscale }) }, 'policy', told)
  }
  if (replicas !== undefined && replicas !== fleet.replicas) {
    next = remembering({ ...next, replicas }, 'scaled', `from ${fleet.replicas} to ${replicas} by ${by}`)
  }
  const { revision: now } = fleet.blueprint
  if (revision !== undefined && revision !== now) {
    const other = { ...next, blueprint: { ...next.blueprint, revision } }
    next = remembering(other, 'revised', `from ${now} to ${revision} by ${by}`)
  }
  return next === fleet ? fleet : { ...next, ...traced({ traceId }) }
}

export function deleting(fleet: Fleet, { by, traceId }: Asker): Fleet {
  return fleet.deleting
    ? fleet
    : remembering({ ...fleet, replicas: 0, deleting: true, ...traced({ traceId }) }, 'deleting', `by ${by}`)
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
