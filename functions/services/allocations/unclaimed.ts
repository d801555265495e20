// Allocations whose answer nobody got, and for which nobody can come back: they are given back at once.
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { sleep } from '../../../shared/loop.ts'
import type { AllocationView } from '../../../shared/model/allocation.ts'
import type { Stores } from '../../stores/stores.ts'
import { giveBack } from '../changes/allocating.ts'

/** A commit that got no answer may happen for so long: etcd gives up a proposal after 7 s. */
const unsettledMs = 15_000

export class Unclaimed {
  readonly #stores: Pick<Stores, 'ships'>
  readonly #log: Log

  constructor(stores: Pick<Stores, 'ships'>, log: Log) {
    this.#stores = stores
    this.#log = log
  }

  async giveBack(views: readonly AllocationView[], reason: string): Promise<void> {
    // Several of one ship, which were written together, go one after the other.
    const ids = new Set(views.map(({ id }) => id))
    const ships = [...new Set(views.map(({ ship }) => ship))]
    try {
      await this.#stores.ships.update(ships, (ship) => {
        const mine = (ship.allocations ?? []).filter(({ id }) => ids.has(id))
        const left = mine.reduce((next, { id }) => giveBack(next, id, 'ready', reason) ?? next, ship)
        return left === ship ? undefined : left
      })
    } catch (error) {
      this.#log.warn({ error: messageOf(error), ships }, 'allocations were not given back')
    }
  }

  /** Nobody knows whether they happen: until it is certain that they will not any more, they are looked for. */
  async giveBackLater(views: readonly AllocationView[]): Promise<void> {
    const endMs = performance.now() + unsettledMs
    while (views.length > 0 && performance.now() < endMs) {
      await sleep(1_000)
      await this.giveBack(views, 'it was never answered')
    }
  }
}
