// Records as the API shows them.
import type { Fleet, FleetView } from '../../shared/model/fleet.ts'
import type { Ship, ShipView } from '../../shared/model/ship.ts'
import type { Lookups } from '../stores/lookups.ts'
import type { Stores } from '../stores/stores.ts'
import type { Row } from '../stores/table.ts'

/** Ships with what was last measured of them. */
export async function shipViews(
  rows: readonly Row<Ship>[],
  { samples }: Pick<Lookups, 'samples'>,
): Promise<ShipView[]> {
  const measured = await samples.ofShips(rows.map((row) => row.value.id))
  return rows.map((row, i) => ({ ...shownOf(row), sample: measured[i] ?? null }))
}

/** All of a ship's view but its sample. */
export function shownOf({ value, revision }: Row<Ship>): Omit<ShipView, 'sample'> {
  const { requestDigest: _, ...shown } = value
  return { ...shown, revision: String(revision) }
}

export async function shipView(row: Row<Ship>, stores: Pick<Lookups, 'samples'>): Promise<ShipView> {
  const [view] = await shipViews([row], stores)
  return view as ShipView
}

/** A fleet with the numbers of its ships, and the reason of one that cannot be placed. */
export function fleetView({ value, revision }: Row<Fleet>, { ships }: Stores): FleetView {
  const counts = ships.index.countsOfFleet(value.name)
  const stuck = counts.Queued ? ships.index.ofFleet(value.name).find(waitsWithReason) : undefined
  return { ...value, revision: String(revision), ships: counts, message: stuck?.value.reason ?? null }
}

function waitsWithReason({ value }: Row<Ship>): boolean {
  return value.state === 'Queued' && value.reason !== null
}
