// What the leading controllers see and decide: lost tickets, lost hosts, ended ships.
import * as routes from '../../shared/api/moves.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { isAboard, isFinished, type ShipState } from '../../shared/model/shipState.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { Row } from '../stores/mirror/table.ts'
import type { Fence } from '../stores/ships.ts'
import type { Stores } from '../stores/stores.ts'
import { giveBack, isLapsed, shipOf } from './changes/allocating.ts'
import { avoiding, end, giveUp, lose, requeue, stop } from './changes/lifecycle.ts'
import { elders } from './controllers/elders.ts'
import { unwell } from './controllers/unwell.ts'
import { serviceApp } from './serviceApp.ts'
import { queueTickets } from './ships/tickets.ts'
import { tellWorkers } from './ships.ts'

type Decision = ReturnType<typeof routes.Decision.parse>

/** Decision -> what becomes of the record. Forgotten has no next record. */
const next: Record<Exclude<Decision['to'], 'Forgotten'>, (ship: Ship, reason: string) => Ship | undefined> = {
  // Whoever did not claim it in time may be cut off: another host is tried first.
  Queued: (ship, reason) => requeue(ship, 'controllers', reason, { avoidHosts: avoiding(ship) }),
  Lost: (ship, reason) => lose(ship, reason),
  Failed: (ship, reason) => end(ship, 'Failed', 'controllers', reason),
  Stopping: (ship, reason) => {
    if (ship.state === 'Unhealthy') return giveUp(ship, reason)
    return ship.state === 'Ready' ? stop(ship, 'controllers', reason) : undefined
  },
  Stopped: (ship, reason) => end(ship, 'Stopped', 'controllers', reason),
}

export function controllerService(stores: Stores) {
  const { ships, samples, epochs, blueprints, dispatch, notices } = stores
  return serviceApp()
    .openapi(guarded(routes.decide), async (c) => {
      const { epoch, decisions } = c.req.valid('json')
      const fence = await epochs.fence('controllers', epoch)
      if (decisions.some((decision) => decision.to === 'Queued')) await dispatch.assertRoom()
      const moved = [
        ...(await move(
          decisions.filter((decision) => decision.to !== 'Forgotten'),
          fence,
        )),
        ...(await forget(
          decisions.filter((decision) => decision.to === 'Forgotten'),
          fence,
        )),
      ]
      const done = new Set(moved)
      return c.json({ moved, stale: decisions.map((d) => d.ship).filter((id) => !done.has(id)) }, 200)
    })
    .openapi(guarded(routes.watchlist), async (c) => {
      const { queuedMs, scheduledMs, finishedMs, limit } = c.req.valid('query')
      const finished = [...olderThan('Stopped', finishedMs), ...olderThan('Failed', finishedMs)]
      const lost = ships.index.inState('Lost').slice(0, limit)
      return c.json(
        {
          withoutTicket: (await withoutTicket(queuedMs)).slice(0, limit).map(brief),
          unclaimed: olderThan('Scheduled', scheduledMs).slice(0, limit).map(brief),
          finished: finished.slice(0, limit).map(brief),
          aged: (await elders(stores)).slice(0, limit).map(brief),
          unwell: (await unwell(stores)).slice(0, limit).map(brief),
          lapsed: lapsed().slice(0, limit),
          lost: await Promise.all(
            lost.map(async (row) => ({ ...brief(row), policy: (await hostLost(row)).policy })),
          ),
        },
        200,
      )
    })
    .openapi(guarded(routes.returnLapsed), async (c) => {
      const { epoch, lapsed } = c.req.valid('json')
      const fence = await epochs.fence('controllers', epoch)
      const asked = new Set(lapsed)
      const returned = new Map<string, string[]>()
      const changed = await ships.update(
        [...new Set(lapsed.map(shipOf))],
        (ship) => {
          const over = (ship.allocations ?? []).filter((one) => asked.has(one.id) && isLapsed(one))
          returned.set(
            ship.id,
            over.map(({ id }) => id),
          )
          const reason = 'its lease ran out, and nobody had confirmed it'
          const next = over.reduce((left, { id }) => giveBack(left, id, 'ready', reason) ?? left, ship)
          return next === ship ? undefined : next
        },
        fence,
      )
      return c.json({ returned: [...changed.keys()].flatMap((ship) => returned.get(ship) ?? []) }, 200)
    })
    .openapi(guarded(routes.hostShips), async (c) => {
      const { host } = c.req.valid('param')
      const aboard = ships.index.ofHost(host).filter(({ value }) => isAboard(value.state))
      const report = await samples.hostReport(host)
      return c.json(
        {
          lastReportAt: report?.at ?? null,
          ships: await Promise.all(aboard.map(async (row) => ({ ...brief(row), ...(await hostLost(row)) }))),
        },
        200,
      )
    })
    .openapi(guarded(routes.crewedHosts), (c) => c.json({ hosts: ships.index.crewedHosts() }, 200))
    .openapi(guarded(routes.putNotice), async (c) => {
      const { epoch, stormBrake } = c.req.valid('json')
      await notices.say(stormBrake, await epochs.fence('controllers', epoch))
      return c.json({ ok: true as const }, 200)
    })

  async function move(decisions: readonly Decision[], fence: Fence): Promise<string[]> {
    const wanted = new Map(decisions.map((decision) => [decision.ship, decision]))
    const changed = await ships.update(
      [...wanted.keys()],
      (ship) => {
        const { attempt, to, reason } = wanted.get(ship.id) as Decision
        return ship.attempt === attempt && to !== 'Forgotten' ? next[to](ship, reason) : undefined
      },
      fence,
    )
    const moved = [...changed.values()].map((row) => row.value)
    await queueTickets(moved, stores)
    await tellWorkers(moved, stores)
    return [...changed.keys()]
  }

  async function forget(decisions: readonly Decision[], fence: Fence): Promise<string[]> {
    if (decisions.length === 0) return []
    const ids = decisions.map((decision) => decision.ship)
    const gone = await ships.forget(ids, (ship) => isFinished(ship.state), fence)
    await samples.dropShips(gone)
    return gone
  }

  function olderThan(state: ShipState, ms: number): Row<Ship>[] {
    const before = new Date(Date.now() - ms).toISOString()
    return ships.index.inState(state).filter(({ value }) => value.stateSince < before)
  }

  function lapsed(): string[] {
    const nowMs = Date.now()
    const held = (['Allocated', 'Reserved', 'Unhealthy', 'Lost'] as const).flatMap((state) =>
      ships.index.inState(state),
    )
    return held.flatMap(({ value: { allocations = [] } }) =>
      allocations.filter((one) => isLapsed(one, nowMs)).map(({ id }) => id),
    )
  }

  async function withoutTicket(ms: number): Promise<Row<Ship>[]> {
    const old = olderThan('Queued', ms)
    const unheld = await samples.ticketsUnheld(
      old.map(({ value }) => value.id),
      ms,
    )
    return old.filter(({ value }) => unheld.has(value.id))
  }

  async function hostLost({ value }: Row<Ship>) {
    const blueprint = await blueprints.get(value.blueprint.name, value.blueprint.revision)
    const { policy, afterMs } = blueprint?.spec.lifecycle.hostLost ?? {
      policy: 'replace' as const,
      afterMs: 30_000,
    }
    return { policy, afterMs }
  }
}

function brief({ value }: Row<Ship>) {
  const { id, attempt, state, host, stateSince } = value
  return { id, attempt, state, host, stateSince }
}
