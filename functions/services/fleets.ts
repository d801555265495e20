// Fleets: N ships of one blueprint. People say how many; the controllers step towards it.
import type { Context } from 'hono'
import type { AddressGuard } from '../../shared/addressGuard.ts'
import * as routes from '../../shared/api/fleets.ts'
import { ArmadaError } from '../../shared/errors.ts'
import { backoffMs, sleep } from '../../shared/loop.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import { randomId } from '../../shared/model/name.ts'
import { liveOf } from '../../shared/model/shipState.ts'
import type { Token } from '../../shared/model/token.ts'
import { traced } from '../../shared/trace.ts'
import { type Env, guarded } from '../middleware/authenticate.ts'
import type { Caller } from '../middleware/callers.ts'
import { assertMayName, seesFleet } from '../middleware/scope.ts'
import type { Row } from '../stores/mirror/table.ts'
import type { Leave } from '../stores/ships.ts'
import type { Stores } from '../stores/stores.ts'
import { assertByHand, assertUrls, bounded, firstReplicas } from './autoscaling/orders.ts'
import { type Asker, deleting, type NewFleet, newFleet, scaled, withPolicy } from './changes/fleetChanges.ts'
import { relabelled } from './changes/inPlace.ts'
import { assertMatch, tag } from './changes/matching.ts'
import { paused, promoted, resumed } from './changes/rolloutChanges.ts'
import { fleetMatches } from './filters.ts'
import { fleetNamed, noSuchFleet, onItsWay, onItsWayBack } from './fleets/fleetSteps.ts'
import { pageOf } from './paging.ts'
import { Allowances } from './quotas/allowance.ts'
import { serviceApp } from './serviceApp.ts'
import { blueprintFor } from './ships.ts'
import { fleetView } from './views.ts'
import { watchedFleets } from './watch/watchedLists.ts'
import type { Watching } from './watch/watching.ts'

const conflictLimit = 16

/** @param guard where policies may ask webhooks. */
export function fleetService(stores: Stores, watching: Watching, guard: AddressGuard) {
  const { fleets, ships } = stores
  const allowances = new Allowances(stores)
  return serviceApp()
    .openapi(guarded(routes.createFleet), async (c) => {
      const {
        name,
        blueprint,
        revision,
        naming,
        replicas: asked,
        autoscale,
        labels,
        priority,
        strategy,
        overflow,
      } = c.req.valid('json')
      assertMayName(c.get('caller'), name)
      c.set('subject', name)
      const replicas = firstReplicas(asked, autoscale)
      assertUrls(autoscale, guard)
      const follows = revision === 'latest'
      const { revision: chosen } = await blueprintFor(stores, blueprint, follows ? undefined : revision)
      const how = {
        ...(strategy && { strategy }),
        ...(overflow && { overflow }),
        ...(naming && { naming }),
        ...(follows && { follow: true as const }),
        ...(autoscale && { autoscale }),
      }
      const made = { name, blueprint: { name: blueprint, revision: chosen } }
      const wanted = { ...made, replicas, labels, priority, ...how }
      const row = await createFleet(wanted, c.get('caller'), c.get('trace')?.id)
      return c.json(fleetView(row, stores), 201)
    })
    .openapi(guarded(routes.listFleets), async (c) => {
      const query = c.req.valid('query')
      const caller = c.get('caller')
      if (query.watch) {
        const chosen = (fleet: Fleet) => fleetMatches(query, fleet)
        const seen = (fleet: string | null) => seesFleet(caller, fleet)
        return (await watching.list(c, watchedFleets(stores, chosen, seen))) as never
      }
      const { items, nextCursor } = await pageOf(c, query, (after) => matching(caller, query, after))
      return c.json({ fleets: items.map((row) => fleetView(row, stores)), nextCursor }, 200)
    })
    .openapi(guarded(routes.getFleet), async (c) => {
      const { fleet } = c.req.valid('param')
      assertSeen(c.get('caller'), fleet)
      const row = fleets.table.get(fleet) ?? (await fleetNamed(stores, fleet))
      tag(c, row)
      return c.json(fleetView(row, stores), 200)
    })
    .openapi(guarded(routes.patchFleet), async (c) => {
      const { replicas, autoscale, revision, strategy, overflow, labels } = c.req.valid('json')
      assertUrls(autoscale, guard)
      const row = await changeAsked(c, async (value, by) => {
        if (replicas !== undefined && autoscale === undefined) assertByHand(value)
        const { follow, ...pinned } = value
        let next: Fleet = revision === undefined ? value : pinned
        if (strategy) next = { ...next, strategy }
        if (overflow) next = { ...next, overflow }
        if (labels) next = relabelled(next, labels)
        if (revision === 'latest') next = { ...next, follow: true }
        if (autoscale !== undefined) next = withPolicy(next, autoscale, by)
        // Scaled first: whether a rollout has canaries depends on it.
        if (replicas !== undefined) next = scaled(next, replicas, by)
        if (revision !== undefined) {
          const named = revision === 'latest' ? undefined : revision
          const { revision: to } = await blueprintFor(stores, value.blueprint.name, named)
          next = await onItsWay(stores, next, to, by)
        }
        return next
      })
      return c.json(fleetView(row, stores), 200)
    })
    .openapi(guarded(routes.rollbackFleet), async (c) => {
      const { revision } = c.req.valid('json')
      const row = await changeAsked(c, (value, by) => onItsWayBack(stores, value, revision, by))
      return c.json(fleetView(row, stores), 200)
    })
    .openapi(guarded(routes.promoteFleet), async (c) => {
      const row = await changeAsked(c, async (value, by) => promoted(value, by))
      return c.json(fleetView(row, stores), 200)
    })
    .openapi(guarded(routes.pauseRollout), async (c) => {
      const liveIn = (fleet: string) => liveOf(ships.index.countsOfFleet(fleet))
      const row = await changeAsked(c, async (value, by) => paused(value, by, liveIn(value.name)))
      return c.json(fleetView(row, stores), 200)
    })
    .openapi(guarded(routes.resumeRollout), async (c) => {
      const row = await changeAsked(c, async (value, by) => resumed(value, by))
      return c.json(fleetView(row, stores), 200)
    })
    .openapi(guarded(routes.deleteFleet), async (c) => {
      const { fleet } = c.req.valid('param')
      assertSeen(c.get('caller'), fleet)
      const ifMatch = c.req.valid('header')['if-match']
      const row = await change(fleet, async (row) => {
        assertMatch(row, ifMatch, `Fleet "${fleet}"`)
        return { fleet: deleting(row.value, askerOf(c)) }
      })
      return c.json(fleetView(row, stores), 202)
    })

  function* matching(
    caller: Caller,
    filter: routes.FleetFilter,
    after: string,
  ): Generator<[string, Row<Fleet>]> {
    for (const [name, row] of fleets.table.rows(after))
      if (seesFleet(caller, name) && fleetMatches(filter, row.value)) yield [name, row]
  }

  /** The existing fleet, when the request that met it asks for just the same. */
  async function sameFleet({ replicas, autoscale, ...wanted }: NewFleet): Promise<Row<Fleet>> {
    const row = await fleetNamed(stores, wanted.name)
    // What a policy decided since is no other wish.
    const wishes = { ...wanted, autoscale, ...(!autoscale && { replicas }) }
    const same = Object.entries(wishes).every(
      ([key, value]) => JSON.stringify(row.value[key as keyof Fleet]) === JSON.stringify(value),
    )
    if (same && !row.value.deleting) return row
    throw new ArmadaError(
      'conflict',
      row.value.deleting
        ? `Fleet "${wanted.name}" is still being deleted. Try again when its ships have stopped.`
        : `There is another fleet "${wanted.name}" already. PATCH /v1/fleets/${wanted.name} changes it.`,
    )
  }

  interface Order {
    fleet: Fleet
    /** That of the quotas over it, when it asks for more. */
    leave?: Leave
  }

  /** The fleet as the caller's, who wants more of it: it counts under the caller's quota from now on. */
  async function ordered(fleet: Fleet, { token }: Caller, holder: string): Promise<Order> {
    const { createdBy: _, makerQuota: __, ...rest } = fleet
    const count = () => Math.max(0, bounded(fleet) - liveOf(ships.index.countsOfFleet(fleet.name)))
    const { spec } = await blueprintFor(stores, fleet.blueprint.name, fleet.blueprint.revision)
    const wish = { fleet: fleet.name, token, each: spec.resources, count, holder, behindFleets: true }
    return {
      fleet: { ...rest, ...(token && madeWith(token)) },
      leave: await allowances.demand(wish),
    }
  }

  async function createFleet(wanted: NewFleet, caller: Caller, traceId?: string): Promise<Row<Fleet>> {
    const holder = randomId()
    for (let tries = 0; tries < conflictLimit; tries++) {
      if (await fleets.read(wanted.name)) return sameFleet(wanted)
      const { fleet, leave } = await ordered(newFleet(wanted, { by: caller.name, traceId }), caller, holder)
      const guard = await stores.blueprints.guard(wanted.blueprint.name)
      const conditions = [guard, ...(leave?.conditions ?? [])]
      const written = await fleets.write(fleet, 0, [], { ...leave, conditions })
      if (written) return written
      await sleep(backoffMs(tries, 2, 50))
    }
    throw keepsChanging(wanted.name)
  }

  type Asked = Context<
    Env,
    string,
    { out: { param: { fleet: string }; header: { 'if-match'?: string | undefined } } }
  >

  /** A change that a person asked for. */
  async function changeAsked(
    c: Asked,
    next: (fleet: Fleet, by: string) => Promise<Fleet>,
  ): Promise<Row<Fleet>> {
    const ifMatch = c.req.valid('header')['if-match']
    const { fleet: name } = c.req.valid('param')
    const caller = c.get('caller')
    assertSeen(caller, name)
    return change(name, async (row, holder) => {
      assertMatch(row, ifMatch, `Fleet "${name}"`)
      if (row.value.deleting) throw new ArmadaError('conflict', `Fleet "${name}" is being deleted.`)
      const changed = await next(row.value, caller.name)
      const fleet = changed === row.value ? changed : { ...changed, ...traced(askerOf(c)) }
      return bounded(fleet) > bounded(row.value) ? ordered(fleet, caller, holder) : { fleet }
    })
  }

  /** @param next what is to become of it; asked again when the fleet, or what its quotas leave, has changed. */
  async function change(
    name: string,
    next: (row: Row<Fleet>, holder: string) => Promise<Order>,
  ): Promise<Row<Fleet>> {
    const holder = randomId()
    for (let tries = 0; tries < conflictLimit; tries++) {
      const row = await fleetNamed(stores, name)
      const { fleet, leave } = await next(row, holder)
      const written = await fleets.write(fleet, row.revision, [], leave)
      if (written) return written
      await sleep(backoffMs(tries, 2, 50))
    }
    throw keepsChanging(name)
  }
}

function madeWith({ name, quota }: Token): Pick<Fleet, 'createdBy' | 'makerQuota'> {
  return { createdBy: name, ...(quota && { makerQuota: quota }) }
}

function askerOf(c: Pick<Context<Env>, 'get'>): Asker {
  return { by: c.get('caller').name, traceId: c.get('trace')?.id }
}

/** @throws ArmadaError not_found, as if there were no such fleet. */
function assertSeen(caller: Caller, fleet: string): void {
  if (!seesFleet(caller, fleet)) throw noSuchFleet(fleet)
}

function keepsChanging(fleet: string): ArmadaError {
  return new ArmadaError('unavailable', `Fleet "${fleet}" keeps changing. Try again.`, {
    retryAfterSeconds: 1,
  })
}
