// What the policies of a fleet measure: how much of a counter, a list or of players its ships hold.
import type { Measure } from '../../../shared/api/autoscaling.ts'
import { type Autoscale, measureOf, type Policy, policiesIn } from '../../../shared/model/autoscale.ts'
import type { BlueprintSpec } from '../../../shared/model/blueprint.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import type { Sample } from '../../stores/lookups.ts'
import type { Stores } from '../../stores/stores.ts'

/** What one ship holds; null: it has not said so yet. */
interface Held {
  used: number
  capacity: number | null
}

/** @param live the ships of the fleet that count. */
export async function measuresOf(
  { blueprint, autoscale }: Fleet & { autoscale: Autoscale },
  live: readonly Ship[],
  { samples, blueprints }: Pick<Stores, 'samples' | 'blueprints'>,
): Promise<Record<string, Measure>> {
  const measured = [...policiesIn(autoscale.policy)].filter((policy) => measureOf(policy) !== undefined)
  if (measured.length === 0) return {}
  const wantsSamples = measured.some(({ type }) => type === 'players')
  const sampled = wantsSamples ? await samples.ofShips(live.map(({ id }) => id)) : []
  const spec = (await blueprints.get(blueprint.name, blueprint.revision))?.spec
  return Object.fromEntries(
    measured.map((policy) => {
      const held = live.map((ship, i) => heldBy(policy, ship, sampled[i] ?? null))
      return [measureOf(policy) as string, total(held, promised(policy, spec))]
    }),
  )
}

function heldBy(policy: Policy, { state, counters, lists }: Ship, sample: Sample | null): Held {
  // A ship gets what its blueprint declares when a host claims it.
  const none = state === 'Queued' || state === 'Scheduled' ? null : 0
  if (policy.type === 'counter') {
    const counter = own(counters, policy.key)
    return { used: counter?.count ?? 0, capacity: counter?.capacity ?? none }
  }
  if (policy.type === 'list') {
    const list = own(lists, policy.key)
    return { used: list?.values.length ?? 0, capacity: list?.capacity ?? none }
  }
  const said = policy.type === 'players' ? policy.capacity : undefined
  return { used: sample?.players ?? 0, capacity: said ?? sample?.maxPlayers ?? null }
}

/** What a new ship brings, by its blueprint or the policy; 0: neither says so. */
function promised(policy: Policy, spec: BlueprintSpec | undefined): number {
  if (policy.type === 'counter') return own(spec?.counters, policy.key)?.capacity ?? 0
  if (policy.type === 'list') return own(spec?.lists, policy.key)?.capacity ?? 0
  return policy.type === 'players' ? (policy.capacity ?? 0) : 0
}

/** A ship that has not said what it holds counts as one more ship would. */
function total(held: readonly Held[], promise: number): Measure {
  const known = held.flatMap(({ capacity }) => capacity ?? [])
  const sum = known.reduce((all, one) => all + one, 0)
  const each = promise > 0 ? promise : known.length > 0 ? sum / known.length : 0
  return {
    used: held.reduce((all, { used }) => all + used, 0),
    capacity: Math.round(sum + (held.length - known.length) * each),
    each,
  }
}

/** Keys are people's words: one may be that of something every object has. */
function own<T>(record: Record<string, T> | undefined, key: string): T | undefined {
  return record && Object.hasOwn(record, key) ? record[key] : undefined
}
