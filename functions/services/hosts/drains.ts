// Drains, for the controllers: hosts that are to be emptied, and the steps by which their ships leave.
import * as routes from '../../../shared/api/drains.ts'
import { ArmadaError } from '../../../shared/errors.ts'
import { type Host, ordersOf } from '../../../shared/model/host.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isAboard, isSpared } from '../../../shared/model/shipState.ts'
import { guarded } from '../../middleware/authenticate.ts'
import { etcdKeys } from '../../stores/keys.ts'
import type { Row } from '../../stores/mirror/table.ts'
import type { Fence } from '../../stores/ships.ts'
import type { Stores } from '../../stores/stores.ts'
import { relocate, stop } from '../changes/lifecycle.ts'
import { movedOn } from '../changes/matching.ts'
import { isOver } from '../hosts.ts'
import { serviceApp } from '../serviceApp.ts'
import { queueTickets } from '../ships/tickets.ts'
import { tellWorkers } from '../ships.ts'

/** What a controller is shown of one host at a time: enough for the next steps. */
const mostShips = 500

export function drainService(stores: Stores) {
  const { hosts, ships, epochs } = stores
  return serviceApp()
    .openapi(guarded(routes.listDrains), (c) => {
      const rows = [...hosts.table.rows()].map(([, row]) => row)
      return c.json({ drains: rows.flatMap(drainOf) }, 200)
    })
    .openapi(guarded(routes.stepDrain), async (c) => {
      const { host } = c.req.valid('param')
      const { epoch, revision, stop: stops, move } = c.req.valid('json')
      const leader = await epochs.fence('controllers', epoch)
      const row = await hosts.read(host)
      const drain = row && ordersOf(row.value).drain
      if (!row || String(row.revision) !== revision || !drain) throw movedOn(`The drain of host "${host}"`)
      // Only a person's own word, the deadline, ends ships with players on them.
      const overdue = isOver(drain.deadline)
      const by = overdue ? 'api' : 'controllers'
      const reason = `host ${host} is being drained`
      const attempts = new Map([...stops, ...move].map(({ ship, attempt }) => [ship, attempt]))
      const moving = new Set(move.map(({ ship }) => ship))
      const changed = await ships.update(
        [...attempts.keys()],
        (ship) => {
          if (ship.host !== host || ship.attempt !== attempts.get(ship.id)) return undefined
          if (!overdue && isSpared(ship)) return undefined
          return moving.has(ship.id) ? relocate(ship, by, reason) : stop(ship, by, reason)
        },
        stillDraining(row, leader),
      )
      const after: Ship[] = [...changed.values()].map(({ value }) => value)
      await tellWorkers(after, stores)
      await queueTickets(after, stores)
      return c.json({ leaving: [...changed.keys()] }, 200)
    })

  function drainOf({ value, revision }: Row<Host>): routes.DrainView[] {
    const { drain } = ordersOf(value)
    if (!drain) return []
    const overdue = isOver(drain.deadline)
    const due = ships.index
      .ofHost(value.id)
      .map((row) => row.value)
      .filter((ship) => isAboard(ship.state) && ship.state !== 'Stopping' && (overdue || !isSpared(ship)))
      .slice(0, mostShips)
      .map(({ id, attempt, state, wasInUse, fleet }) => ({ id, attempt, state, wasInUse, fleet }))
    return [{ host: value.id, revision: String(revision), overdue, ships: due }]
  }

  /** Whoever calls the drain off has the answer only when no ship leaves because of it any more. */
  function stillDraining(row: Row<Host>, leader: Fence): Fence {
    const key = etcdKeys.hosts + row.value.id
    return {
      conditions: [...leader.conditions, { key, revision: row.revision }],
      async check() {
        await leader.check()
        if ((await hosts.read(row.value.id))?.revision !== row.revision) {
          throw new ArmadaError('revision_mismatch', `Host "${row.value.id}" has changed. Read it again.`)
        }
      },
    }
  }
}
