// Changes of a fleet that its ships are given as they run: labels, and revisions that differ only in those, in what no
// container knows of, and in limits.
import type { LabelPatch } from '../../../shared/api/fields.ts'
import type { BlueprintSpec } from '../../../shared/model/blueprint.ts'
import { differences } from '../../../shared/model/difference.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import { isOver } from '../../../shared/model/rollout.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isFinished } from '../../../shared/model/shipState.ts'
import { labelledBeneath } from './given.ts'
import { patched } from './matching.ts'
import { isLimit, notResized, resizing } from './resizing.ts'

/** What is read when a ship is placed, or when its host is lost: its container knows nothing of it. */
const soft = ['/labels/', '/placement/', '/lifecycle/hostLost/', '/lifecycle/startAttempts']

/** The fleet with other labels, which its ships are to be given. */
export function relabelled(fleet: Fleet, patch: LabelPatch): Fleet {
  const labels = patched(fleet.labels, patch)
  if (differences(fleet.labels, labels).length === 0) return fleet
  const { relabel } = fleet
  return { ...fleet, labels, relabel: { ...relabel, labels: { ...relabel?.labels, ...patch } } }
}

/**
 * The rollout as a change in place, when the two revisions allow it and all ships have the first of them. Other limits
 * may do harm, which canaries are there to show: where those are wanted it goes as any other.
 */
export function inPlaceIfSoft(before: Fleet, after: Fleet, from: BlueprintSpec, to: BlueprintSpec): Fleet {
  const isAtRest = !before.rollout || isOver(before.rollout.state)
  const changes = differences(from, to)
  const hard = changes.filter(({ path }) => !soft.some((one) => path.startsWith(one)))
  if (!isAtRest || !hard.every(isLimit)) return after
  const resizes = hard.length > 0
  if (resizes && after.rollout?.state === 'canary') return after
  const gone = Object.keys(from.labels).filter((key) => !(key in to.labels))
  const labels = { ...Object.fromEntries(gone.map((key) => [key, null])), ...to.labels, ...after.labels }
  const rollout = after.rollout && {
    ...after.rollout,
    ...(after.rollout.state === 'canary' && { state: 'rolling' as const }),
    ...(resizes && { resizes: true as const }),
  }
  const { from: one, to: other } = after.rollout ?? { from: 0, to: 0 }
  const revisions = { from: one, to: other, labels, ...(resizes && { limits: true as const }) }
  const relabel = { labels: after.relabel?.labels ?? {}, revisions }
  return { ...after, relabel, ...(rollout && { rollout }) }
}

/** Other limits for a ship. */
export interface Limits {
  to: number
  spec: BlueprintSpec
  /** Why it cannot have them; null when it can, undefined when nobody looked. */
  verdict: string | null | undefined
}

/** What becomes of a ship of the fleet; undefined when it has it all. */
export function givenInPlace(ship: Ship, { relabel }: Fleet, limits?: Limits): Ship | undefined {
  if (!relabel || isFinished(ship.state)) return undefined
  const { revisions } = relabel
  const isOld = revisions !== undefined && ship.blueprint.revision === revisions.from
  const other = labelledBeneath(isOld ? labelledBeneath(ship, revisions.labels ?? {}) : ship, relabel.labels)
  const labelled = differences(ship, other).length > 0 ? other : ship
  const next = isOld ? revised(labelled, revisions.to, revisions.limits, limits) : labelled
  return next === ship ? undefined : next
}

function revised(ship: Ship, to: number, isHard: true | undefined, limits: Limits | undefined): Ship {
  if (!isHard) return { ...ship, blueprint: { ...ship.blueprint, revision: to } }
  if (limits?.to !== to || limits.verdict === undefined) return ship
  return limits.verdict === null ? resizing(ship, to, limits.spec) : notResized(ship, to, limits.verdict)
}
