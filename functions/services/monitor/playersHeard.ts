// What follows from the players whom hosts count on their ships: the first confirms a lease, and counters that the probe
// keeps are changed.
import type { Ship, ShipSample } from '../../../shared/model/ship.ts'
import { isFinished } from '../../../shared/model/shipState.ts'
import { largeShipsPerCommit } from '../../stores/ships.ts'
import type { Stores } from '../../stores/stores.ts'
import { counted } from '../changes/firstPlayer.ts'
import { probedCounters } from '../changes/probed.ts'

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
  const nowMs = Date.now()
  const next = counted(ship, sample.players, nowMs)
  const counters = probedCounters(next ?? ship, sample, nowMs)
  return counters ? { ...(next ?? ship), counters } : next
}
