// Changes of a fleet that its ships are given as they run: labels, and revisions that differ in nothing else that counts.
import type { LabelPatch } from '../../../shared/api/fields.ts'
import type { BlueprintSpec } from '../../../shared/model/blueprint.ts'
import { differences } from '../../../shared/model/difference.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import { isOver } from '../../../shared/model/rollout.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isFinished } from '../../../shared/model/shipState.ts'
import { patched } from './matching.ts'

/** What is read when a ship is placed, or when its host is lost: its container knows nothing of it. */
const soft = ['/labels/', '/placement/', '/lifecycle/hostLost/', '/lifecycle/startAttempts']

/** The fleet with other labels, which its ships are to be given. */
export function relabelled(fleet: Fleet, patch: LabelPatch): Fleet {
  const labels = patched(fleet.labels, patch)
  if (differences(fleet.labels, labels).length === 0) return fleet
  const { relabel } = fleet
  return { ...fleet, labels, relabel: { ...relabel, labels: { ...relabel?.labels, ...patch } } }
}

/** The rollout as a change in place, when the two revisions allow it and all ships have the first of them. */
export function inPlaceIfSoft(before: Fleet, after: Fleet, from: BlueprintSpec, to: BlueprintSpec): Fleet {
  const isAtRest = !before.rollout || isOver(before.rollout.state)
  const changes = differences(from, to)
  if (!isAtRest || !changes.every(({ path }) => soft.some((one) => path.startsWith(one)))) return after
  const gone = Object.keys(from.labels).filter((key) => !(key in to.labels))
  const labels = { ...Object.fromEntries(gone.map((key) => [key, null])), ...to.labels, ...after.labels }
  const rollout = after.rollout && { ...after.rollout, state: 'rolling' as const }
  const { from: one, to: other } = after.rollout ?? { from: 0, to: 0 }
  const relabel = { labels: { ...labels, ...after.relabel?.labels }, revisions: { from: one, to: other } }
  return { ...after, relabel, ...(rollout && { rollout }) }
}

/** What becomes of a ship of the fleet; undefined when it has it all. */
export function givenInPlace(ship: Ship, { relabel }: Fleet): Ship | undefined {
  if (!relabel || isFinished(ship.state)) return undefined
  const labels = patched(ship.labels, relabel.labels)
  const { revisions } = relabel
  const isRevised = revisions !== undefined && ship.blueprint.revision === revisions.from
  if (!isRevised && differences(ship.labels, labels).length === 0) return undefined
  const blueprint = isRevised ? { ...ship.blueprint, revision: revisions.to } : ship.blueprint
  return { ...ship, labels, blueprint }
}
