// Autoscaling, for the leading controllers: what the policies of fleets go by, and what was decided.
import * as routes from '../../shared/api/autoscaling.ts'
import { backoffMs, sleep } from '../../shared/loop.ts'
import { type Autoscale, askedBy } from '../../shared/model/autoscale.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import { isInUse, isLive, isSpared } from '../../shared/model/shipState.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { Fence } from '../stores/ships.ts'
import type { Stores } from '../stores/stores.ts'
import { waitingFor } from './autoscaling/demand.ts'
import { measuresOf } from './autoscaling/measures.ts'
import { totalsOf } from './autoscaling/totals.ts'
import { autoscaled } from './changes/fleetChanges.ts'
import { serviceApp } from './serviceApp.ts'

const conflictLimit = 8

type Scaled = Fleet & { autoscale: Autoscale }

function isScaled(fleet: Fleet): fleet is Scaled {
  return fleet.autoscale !== undefined && !fleet.deleting
}

export function autoscalingService(stores: Stores) {
  const { fleets, ships, epochs } = stores
  return serviceApp()
    .openapi(guarded(routes.listScaled), async (c) => {
      const named = c.req.valid('query').fleets
      const all = [...fleets.table.rows()].flatMap(([, { value }]) => (isScaled(value) ? [value] : []))
      // Whoever waits is counted once, so that all fleets are looked at for some.
      const waiting = await waitingFor(all, stores)
      const some = named ? all.filter(({ name }) => named.includes(name)) : all
      const scaled = await Promise.all(some.map((fleet) => scaledFleet(fleet, waiting.get(fleet.name) ?? 0)))
      return c.json({ fleets: scaled }, 200)
    })
    .openapi(guarded(routes.decideScaling), async (c) => {
      const { epoch, decisions } = c.req.valid('json')
      const fence = await epochs.fence('controllers', epoch)
      const done: string[] = []
      const stale: string[] = []
      for (const decision of decisions) ((await obey(decision, fence)) ? done : stale).push(decision.fleet)
      return c.json({ done, stale }, 200)
    })

  async function scaledFleet(fleet: Scaled, waiting: number): Promise<routes.ScaledFleet> {
    const { name, replicas, labels, autoscale, autoscaling } = fleet
    const live = ships.index.ofFleet(name).flatMap(({ value }) => (isLive(value.state) ? [value] : []))
    return {
      ...{ name, replicas, labels, autoscale, ...(autoscaling && { autoscaling }) },
      ships: ships.index.countsOfFleet(name),
      illInUse: live.filter((ship) => isSpared(ship) && !isInUse(ship.state)).length,
      waiting,
      measures: await measuresOf(fleet, live, stores),
      ...(askedBy(autoscale).length > 0 && { totals: totalsOf(live) }),
    }
  }

  /** @returns false when the fleet is not any more what was decided on. */
  async function obey(
    { fleet, from, replicas, ...told }: routes.ScalingDecision,
    fence: Fence,
  ): Promise<boolean> {
    for (let tries = 0; tries < conflictLimit; tries++) {
      const row = await fleets.read(fleet)
      if (!row) return false
      if (!isScaled(row.value) || row.value.replicas !== from) return false
      const next = autoscaled(row.value, replicas, told)
      if (await fleets.write(next, row.revision, [], { conditions: fence.conditions })) return true
      await fence.check()
      await sleep(backoffMs(tries, 2, 50))
    }
    return false
  }
}
