// What the scheduler is told of a host when its agent reports.
//
// INVARIANT: once a change of limits has been answered, no older word about that ship is left with the scheduler.
import type { Holding } from '../../../shared/model/holding.ts'
import { hostPortsOf } from '../../../shared/model/port.ts'
import { sameResources } from '../../../shared/model/resources.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import type { Said } from '../../stores/keeper/advice.ts'
import type { Stores } from '../../stores/stores.ts'
import { raised } from '../changes/resizing.ts'
import { showHeld } from '../placements/heldShips.ts'

type AdviceStores = Pick<Stores, 'hosts' | 'hostNodes' | 'mirror' | 'ships'>

export class HostAdvice {
  readonly #stores: AdviceStores

  constructor(stores: AdviceStores) {
    this.#stores = stores
  }

  /**
   * @param answered ships of the host whose limits it has just answered for.
   * @returns whether the scheduler was told; else the agent has to say all of it again.
   */
  async tell(host: string, said: Omit<Said, 'asPlaced'>, answered: readonly Ship[]): Promise<boolean> {
    const { hosts, hostNodes } = this.#stores
    const isTold = await this.#tell(host, said, answered).then(
      () => true,
      () => false,
    )
    const row = hosts.table.get(host)
    if (row) await hostNodes.catchUp(row).catch(() => undefined)
    return isTold
  }

  async #tell(host: string, said: Omit<Said, 'asPlaced'>, answered: readonly Ship[]): Promise<void> {
    const { hostNodes, mirror, ships } = this.#stores
    const counted = () =>
      said.holdings?.map((one) => raised(one, host, ships.table.get(one.ship)?.value)) ?? null
    let holdings = counted()
    let behind: Error | undefined
    if (holdings?.some((one, i) => one !== said.holdings?.[i])) {
      // What memory shows as pending may have been answered, and would be counted until a ship boards or leaves.
      await mirror.catchUp().catch((error: Error) => {
        behind = error
      })
      holdings = counted()
    }
    // Another ApiServer may have written of them since this one saw what the scheduler knows.
    await showHeld(hostNodes, answered)
    if (holdings === null && said.ended.length === 0) return
    const asPlaced = (holding: Holding) => isAsPlaced(host, holding, ships.table.get(holding.ship)?.value)
    await hostNodes.report(host, { ...said, holdings, asPlaced })
    // All else was told; this much has to be said again.
    if (behind) throw behind
  }
}

/** The scheduler, from whose job the record was made, counts the ship just so; what changed since no job says. */
function isAsPlaced(me: string, holding: Holding, ship: Ship | undefined): boolean {
  return (
    ship?.host === me &&
    ship.attempt === holding.attempt &&
    ship.resize === undefined &&
    ship.fleet === holding.fleet &&
    sameResources(ship.resources, holding.resources) &&
    hostPortsOf(ship).join() === holding.hostPorts.join()
  )
}
