// What hosts say of the limits that they were told to give to ships that run.
import type { ShipResized } from '../../../shared/api/monitor.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isFinished } from '../../../shared/model/shipState.ts'
import type { Stores } from '../../stores/stores.ts'
import { oldAgent, resizeAnswered } from '../changes/resizing.ts'

export class ResizeAnswers {
  #stores: Pick<Stores, 'ships' | 'mirror'>

  constructor(stores: Pick<Stores, 'ships' | 'mirror'>) {
    this.#stores = stores
  }

  /** Records what became of them; the same again, or what comes too late, changes nothing. @returns what changed. */
  async take(host: string, answers: readonly ShipResized[]): Promise<Ship[]> {
    const { ships, mirror } = this.#stores
    const last = new Map(answers.map((one) => [one.ship, one]))
    if (answers.some(({ ship }) => !ships.table.get(ship))) await mirror.catchUp()
    // A host may name ships that there are not.
    const ids = [...last.keys()].filter((id) => ships.table.get(id))
    const changed = await ships.update(ids, (ship) => {
      const { attempt, n, refused } = last.get(ship.id) as ShipResized
      const isThis = ship.host === host && ship.attempt === attempt && !isFinished(ship.state)
      return isThis ? resizeAnswered(ship, n, refused) : undefined
    })
    return [...changed.values()].map(({ value }) => value)
  }

  /** An older agent was put in the place of the one that was asked. Its first report tells the scheduler all anew. */
  async giveUp(host: string): Promise<void> {
    const { ships } = this.#stores
    const pending = ships.index.ofHost(host).filter(({ value }) => value.resize?.state === 'pending')
    const ids = pending.map(({ value }) => value.id)
    await ships.update(ids, (ship) =>
      ship.host === host ? resizeAnswered(ship, ship.resize?.n ?? 0, oldAgent) : undefined,
    )
  }
}
