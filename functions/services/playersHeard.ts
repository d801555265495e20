// What follows from the players whom hosts count on their ships: the first confirms a lease, and counters that the probe
// keeps are changed.
import type { Ship, ShipSample } from '../../shared/model/ship.ts'
import { isFinished } from '../../shared/model/shipState.ts'
import { largeShipsPerCommit } from '../stores/ships.ts'
import type { Stores } from '../stores/stores.ts'
import { confirm } from './changes/allocating.ts'
import { probedCounters } from './changes/probed.ts'

export class PlayersHeard {
  #ships: Stores['ships']

  constructor({ ships }: Pick<Stores, 'ships'>) {
    this.#ships = ships
  }

  /** Never rejects: the next report says the same again. */
  async heard(host: string, measured: readonly ShipSample[]): Promise<void> {
    const said = new Map(measured.map((sample) => [sample.ship, sample]))
    const next = (ship: Ship) =>
      ship.host === host ? played(ship, said.get(ship.id) as ShipSample) : undefined
    const news = measured.flatMap(({ ship }) => {
      const row = this.#ships.table.get(ship)
      return row && next(row.value) ? [ship] : []
    })
    await this.#ships.update(news, next, undefined, largeShipsPerCommit).catch(() => undefined)
  }
}

function played(ship: Ship, sample: ShipSample): Ship | undefined {
  if (sample.players === null || isFinished(ship.state)) return undefined
  const confirmed = sample.players > 0 && hasOneOpen(ship) ? confirm(ship, 'its first player') : undefined
  const counters = probedCounters(confirmed ?? ship, sample, Date.now())
  return counters ? { ...(confirmed ?? ship), counters } : confirmed
}

/** Where several sessions share a ship nobody knows whose player it is. */
function hasOneOpen({ allocations }: Ship): boolean {
  return allocations?.length === 1 && allocations[0]?.leaseUntil !== null
}
