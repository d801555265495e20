// Records as the API shows them.
import type { Fleet, FleetView } from '../../shared/model/fleet.ts'
import { defaultStrategy, isOver, type RolloutView } from '../../shared/model/rollout.ts'
import type { Ship, ShipView } from '../../shared/model/ship.ts'
import { isAboard, liveOf } from '../../shared/model/shipState.ts'
import type { Lookups } from '../stores/lookups.ts'
import type { Row } from '../stores/mirror/table.ts'
import type { Stores } from '../stores/stores.ts'
import { afterOverflow, beyond } from './changes/overflow.ts'
import { howShipsDo } from './fleets/rolloutViews.ts'

/** Ships with what was last measured of them. */
export async function shipViews(
  rows: readonly Row<Ship>[],
  { samples }: Pick<Lookups, 'samples'>,
): Promise<ShipView[]> {
  const measured = await samples.ofShips(rows.map((row) => row.value.id))
  return rows.map((row, i) => {
    const sample = (isMeasured(row.value) && measured[i]) || null
    return { ...shownOf(row), sample }
  })
}

/** What was measured before it ended, or moved, says nothing of it now: nobody plays there, and there is no room. */
export function isMeasured({ state }: Ship): boolean {
  return isAboard(state) && state !== 'Scheduled'
}

/** All of a ship's view but its sample. */
export function shownOf({ value, revision }: Row<Ship>): Omit<ShipView, 'sample'> {
  const { requestDigest: _, history: __, said: ___, placement: ____, ...shown } = value
  return { ...shown, revision: String(revision) }
}

export async function shipView(row: Row<Ship>, stores: Pick<Lookups, 'samples'>): Promise<ShipView> {
  const [view] = await shipViews([row], stores)
  return view as ShipView
}

/** A fleet with the numbers of its ships, and why it is not complete: crashes, a quota, or a ship that cannot be placed. */
export function fleetView({ value, revision }: Row<Fleet>, { ships }: Stores): FleetView {
  const { held, history: _, makerQuota: __, strategy = defaultStrategy, ...fleet } = value
  const counts = ships.index.countsOfFleet(value.name)
  const { rollout, failures } = howShipsDo(value, counts, ships.index)
  const stuck = counts.Queued ? ships.index.ofFleet(value.name).find(waitsWithReason) : undefined
  const lacks = liveOf(counts) < fleet.replicas
  const why = lacks ? (held ?? nameOf(fleet, counts)) : undefined
  const message = fleet.crashLoop ?? why ?? stuck?.value.reason ?? waitOf(rollout)
  const overflowDue = fleet.overflow && overflowDueIn(value, ships.index.ofFleet(value.name))
  const more = { ...(overflowDue !== undefined && { overflowDue }) }
  return {
    ...fleet,
    strategy,
    rollout,
    failures,
    ...more,
    revision: String(revision),
    ships: counts,
    message,
  }
}

function overflowDueIn(fleet: Fleet, rows: readonly Row<Ship>[]): number {
  const chosen = beyond(
    fleet,
    rows.map(({ value }) => value),
  )
  return rows.filter(({ value }) => afterOverflow(value, fleet, chosen.has(value.id))).length
}

function nameOf({ naming }: Pick<Fleet, 'naming'>, { Stopping = 0 }: FleetView['ships']): string | undefined {
  if (naming !== 'ordinal' || Stopping === 0) return undefined
  return `Waits for ships that are Stopping (${Stopping}): their names are free when they have ended.`
}

/** What keeps a rollout: what goes wrong in it, or what it waits for when it can do nothing itself. */
function waitOf(rollout: RolloutView | null): string | null {
  if (!rollout || isOver(rollout.state)) return null
  if (rollout.paused) return `The rollout is paused since ${rollout.paused.since}, by ${rollout.paused.by}.`
  const { pending = 0 } = rollout.resized ?? {}
  if (pending > 0) return `The rollout waits for ${pending} ships to have other limits, where they run.`
  const { failures, lastFailure, to } = rollout
  if (failures > 0)
    return `${failures} ${failures === 1 ? 'failure' : 'failures'} of revision ${to} so far. The last: ${lastFailure}`
  const { ready, inUse, coming, unwell, lost } = rollout.outdated
  if (rollout.state === 'canary' || rollout.state === 'watching' || ready + coming + unwell > 0) return null
  if (lost > 0) return `The rollout waits for ${lost} Lost ships of older revisions.`
  return inUse > 0 ? `The rollout waits for ${inUse} ships of older revisions that are in use.` : null
}

function waitsWithReason({ value }: Row<Ship>): boolean {
  return value.state === 'Queued' && value.reason !== null
}
