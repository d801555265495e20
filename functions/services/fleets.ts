// Fleets: N ships of one blueprint. People say how many; the controllers step towards it.
import type { Context } from 'hono'
import type { AddressGuard } from '../../shared/addressGuard.ts'
import * as routes from '../../shared/api/fleets.ts'
import { ArmadaError } from '../../shared/errors.ts'
import { backoffMs, sleep } from '../../shared/loop.ts'
import type { Blueprint } from '../../shared/model/blueprint.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import { randomId, shipIdFor } from '../../shared/model/name.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { isFinished } from '../../shared/model/shipState.ts'
import type { Token } from '../../shared/model/token.ts'
import { traced } from '../../shared/trace.ts'
import { type Caller, type Env, guarded } from '../middleware/authenticate.ts'
import { assertMayName, seesFleet } from '../middleware/scope.ts'
import { etcdKeys } from '../stores/keys.ts'
import type { Row } from '../stores/mirror/table.ts'
import type { Leave } from '../stores/ships.ts'
import type { Stores } from '../stores/stores.ts'
import { Allowances } from './allowance.ts'
import { assertByHand, assertUrls, bounded, firstReplicas } from './autoscaling/orders.ts'
import { afterDeadline, isSpared } from './changes/deadline.ts'
import {
  type Asker,
  crashing,
  deleting,
  type NewFleet,
  newFleet,
  remembering,
  scaled,
  withPolicy,
} from './changes/fleetChanges.ts'
import { givenInPlace, inPlaceIfSoft, relabelled } from './changes/inPlace.ts'
import { newShip, stop } from './changes/lifecycle.ts'
import { assertMatch, movedOn, tag } from './changes/matching.ts'
import { goingBack, goingTo, promoted, turned } from './changes/rolloutChanges.ts'
import { fleetMatches } from './filters.ts'
import { pageOf } from './paging.ts'
import { serviceApp } from './serviceApp.ts'
import { blueprintFor, tellWorkers } from './ships.ts'
import { queueTickets } from './tickets.ts'
import { fleetView, liveOf } from './views.ts'
import { watchedFleets } from './watch/watchedLists.ts'
import type { Watching } from './watch/watching.ts'

const conflictLimit = 16

/** @param guard where policies may ask webhooks. */
export function fleetService(stores: Stores, watching: Watching, guard: AddressGuard) {
  const { fleets, ships, epochs, dispatch } = stores
  const allowances = new Allowances(stores)
  return serviceApp()
    .openapi(guarded(routes.createFleet), async (c) => {
      const {
        name,
        blueprint,
        revision,
        replicas: asked,
        autoscale,
        labels,
        priority,
        strategy,
      } = c.req.valid('json')
      assertMayName(c.get('caller'), name)
      c.set('subject', name)
      const replicas = firstReplicas(asked, autoscale)
      assertUrls(autoscale, guard)
      const follows = revision === 'latest'
      const { revision: chosen } = await blueprintFor(stores, blueprint, follows ? undefined : revision)
      const how = {
        ...(strategy && { strategy }),
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
      const row = fleets.table.get(fleet) ?? (await fleetNamed(fleet))
      tag(c, row)
      return c.json(fleetView(row, stores), 200)
    })
    .openapi(guarded(routes.patchFleet), async (c) => {
      const { replicas, autoscale, revision, strategy, labels } = c.req.valid('json')
      assertUrls(autoscale, guard)
      const row = await changeAsked(c, async (value, by) => {
        if (replicas !== undefined && autoscale === undefined) assertByHand(value)
        const { follow, ...pinned } = value
        let next: Fleet = revision === undefined ? value : pinned
        if (strategy) next = { ...next, strategy }
        if (labels) next = relabelled(next, labels)
        if (revision === 'latest') next = { ...next, follow: true }
        if (autoscale !== undefined) next = withPolicy(next, autoscale, by)
        // Scaled first: whether a rollout has canaries depends on it.
        if (replicas !== undefined) next = scaled(next, replicas, by)
        if (revision !== undefined) {
          const named = revision === 'latest' ? undefined : revision
          const { revision: to } = await blueprintFor(stores, value.blueprint.name, named)
          next = await onItsWay(next, to, by)
        }
        return next
      })
      return c.json(fleetView(row, stores), 200)
    })
    .openapi(guarded(routes.rollbackFleet), async (c) => {
      const { revision } = c.req.valid('json')
      const row = await changeAsked(c, async (value, by) => {
        const next = goingBack(value, revision, `by ${by}`)
        await blueprintFor(stores, value.blueprint.name, next.blueprint.revision)
        return next
      })
      return c.json(fleetView(row, stores), 200)
    })
    .openapi(guarded(routes.promoteFleet), async (c) => {
      const row = await changeAsked(c, async (value, by) => promoted(value, by))
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
    .openapi(guarded(routes.stepFleet), async (c) => {
      const step = c.req.valid('json')
      const row = await fleetNamed(c.req.valid('param').fleet)
      const fence = await epochs.fence('controllers', step.epoch)
      if (String(row.revision) !== step.revision) throw movedOn(`Fleet "${row.value.name}"`)
      if (step.relabel) await relabel(row, fence)
      if (step.deadline) await tellOrEnd(row, fence)
      const stopped = await stopShips(row, step.stop, fence)
      const created = await create(row, step, fence)
      await turn(row, step, fence)
      if (step.forget) await forget(row, fence)
      return c.json({ created, stopped }, 200)
    })

  function* matching(
    caller: Caller,
    filter: routes.FleetFilter,
    after: string,
  ): Generator<[string, Row<Fleet>]> {
    for (const [name, row] of fleets.table.rows(after))
      if (seesFleet(caller, name) && fleetMatches(filter, row.value)) yield [name, row]
  }

  async function fleetNamed(name: string): Promise<Row<Fleet>> {
    const row = await fleets.read(name)
    if (!row) throw noSuchFleet(name)
    return row
  }

  /** The existing fleet, when the request that met it asks for just the same. */
  async function sameFleet({ replicas, autoscale, ...wanted }: NewFleet): Promise<Row<Fleet>> {
    const row = await fleetNamed(wanted.name)
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
      const row = await fleetNamed(name)
      const { fleet, leave } = await next(row, holder)
      const written = await fleets.write(fleet, row.revision, [], leave)
      if (written) return written
      await sleep(backoffMs(tries, 2, 50))
    }
    throw keepsChanging(name)
  }

  type Fence = Awaited<ReturnType<typeof epochs.fence>>

  /** Makes as many of the ships as the quotas over the fleet leave, and writes down why when it is not all. */
  async function create(
    first: Row<Fleet>,
    { create: wanted, of }: Pick<routes.FleetStep, 'create' | 'of'>,
    fence: Fence,
  ): Promise<string[]> {
    if (wanted === 0) return []
    const fleet = first.value
    await dispatch.assertRoom()
    const blueprint = await blueprintFor(stores, fleet.blueprint.name, of ?? fleet.blueprint.revision)
    const key = randomId()
    const wish = {
      ...allowances.accountOf(fleet),
      each: blueprint.spec.resources,
      count: () => wanted,
      holder: key,
      behindFleets: false,
    }
    for (let tries = 0; tries < conflictLimit; tries++) {
      const { fits, refusal, ...leave } = await allowances.ask(wish)
      const { held, ...rest } = fleet
      const told = { ...rest, ...(refusal !== null && { held: refusal }) }
      if (fits === 0 && held === told.held) return []
      const made = shipsOf(fleet, blueprint, key, fits)
      // The fleet's record changes with its ships: a step decided on an older picture is refused by its revision.
      const more = { ...told, generation: fleet.generation + (fits > 0 ? 1 : 0) }
      const next = refusal !== null && refusal !== held ? remembering(more, 'held', refusal) : more
      const conditions = [...fence.conditions, ...leave.conditions]
      if (await fleets.write(next, first.revision, made, { ...leave, conditions })) {
        await queueTickets(made, stores)
        return made.map((ship) => ship.id)
      }
      await fence.check()
      // Either the fleet has moved on, or somebody else took room of the same quota.
      if ((await fleets.read(fleet.name))?.revision !== first.revision) break
      await sleep(backoffMs(tries, 2, 50))
    }
    throw movedOn(`Fleet "${fleet.name}"`)
  }

  async function stopShips(row: Row<Fleet>, ids: readonly string[], fence: Fence): Promise<string[]> {
    const { name, deleting: all, blueprint } = row.value
    // Only a person's own word, deleting the fleet, ends ships with players on them.
    const by = all ? 'api' : 'controllers'
    const reasonFor = (ship: Ship): string => {
      if (all) return 'its fleet is being deleted'
      if (ship.blueprint.revision === blueprint.revision) return 'its fleet was scaled down'
      return `its fleet goes from revision ${ship.blueprint.revision} to ${blueprint.revision}`
    }
    const stopped = await ships.update(
      ids,
      (ship) => {
        const spared = !all && isSpared(ship)
        const next = ship.fleet === name && !spared ? stop(ship, by, reasonFor(ship)) : undefined
        return next && { ...next, ...traced(row.value) }
      },
      asItIs(row, fence),
    )
    await tellWorkers(
      [...stopped.values()].map((row) => row.value),
      stores,
    )
    return [...stopped.keys()]
  }

  /** With the rollout to another revision, in place if no ship has to start anew for it. */
  async function onItsWay(fleet: Fleet, revision: number, by: string): Promise<Fleet> {
    const { name, revision: now } = fleet.blueprint
    const next = goingTo(fleet, revision, by)
    const { spec: to } = await blueprintFor(stores, name, revision)
    if (next === fleet) return fleet
    const { spec: from } = await blueprintFor(stores, name, now)
    return inPlaceIfSoft(fleet, next, from, to)
  }

  /** Ships of older revisions that are in use hear when they end, or end because that time has come. */
  async function tellOrEnd(row: Row<Fleet>, fence: Fence): Promise<void> {
    const ids = ships.index.ofFleet(row.value.name).map(({ value }) => value.id)
    const decide = (ship: Ship) => {
      const next = afterDeadline(ship, row.value, Date.now())
      return next && { ...next, ...traced(row.value) }
    }
    const changed = await ships.update(ids, decide, asItIs(row, fence))
    await tellWorkers(
      [...changed.values()].map(({ value }) => value),
      stores,
    )
  }

  async function relabel(row: Row<Fleet>, fence: Fence): Promise<void> {
    const ids = ships.index.ofFleet(row.value.name).map(({ value }) => value.id)
    await ships.update(ids, (ship) => givenInPlace(ship, row.value), asItIs(row, fence))
    const { relabel: _, ...done } = row.value
    if (await fleets.write(done, row.revision, [], { conditions: fence.conditions })) return
    await fence.check()
    throw movedOn(`Fleet "${row.value.name}"`)
  }

  /** Whoever changes a fleet has the answer only when no ship is stopped for what it was before. */
  function asItIs({ value, revision }: Row<Fleet>, leader: Fence): Fence {
    return {
      conditions: [...leader.conditions, { key: etcdKeys.fleets + value.name, revision }],
      async check() {
        await leader.check()
        if ((await fleets.read(value.name))?.revision !== revision) throw movedOn(`Fleet "${value.name}"`)
      },
    }
  }

  /** What the controllers see of a rollout, and of ships that keep failing. */
  async function turn(
    row: Row<Fleet>,
    { turn, revise, crashLoop }: Pick<routes.FleetStep, 'turn' | 'revise' | 'crashLoop'>,
    fence: Fence,
  ): Promise<void> {
    let next = row.value
    if (turn) next = turned(next, turn.to, turn.reason)
    if (revise !== undefined && next.follow) {
      next = await onItsWay(next, revise, 'its blueprint')
    }
    if (crashLoop !== undefined) next = crashing(next, crashLoop)
    if (next === row.value) return
    if (await fleets.write(next, row.revision, [], { conditions: fence.conditions })) return
    await fence.check()
    throw movedOn(`Fleet "${row.value.name}"`)
  }

  async function forget(row: Row<Fleet>, fence: Fence): Promise<void> {
    const left = ships.index.ofFleet(row.value.name).filter(({ value }) => !isFinished(value.state))
    if (!row.value.deleting || left.length > 0) {
      throw new ArmadaError('conflict', `Fleet "${row.value.name}" still has ${left.length} ships.`)
    }
    // Written down first: what is deleted can tell nothing any more.
    const told = row.value.history?.at(-1)?.what === 'deleted'
    const last = told
      ? row
      : await fleets.write(remembering(row.value, 'deleted'), row.revision, [], {
          conditions: fence.conditions,
        })
    if (!last || !(await fleets.remove(row.value.name, last.revision, fence))) {
      await fence.check()
      throw movedOn(`Fleet "${row.value.name}"`)
    }
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

function noSuchFleet(name: string): ArmadaError {
  return new ArmadaError('not_found', `There is no fleet "${name}". POST /v1/fleets creates one.`)
}

function shipsOf(fleet: Fleet, blueprint: Blueprint, key: string, count: number): Ship[] {
  const { name, labels, priority, createdBy, traceId } = fleet
  return Array.from({ length: count }, (_, index) =>
    newShip({
      id: shipIdFor(name, key, index),
      ...{ fleet: name, blueprint, labels, priority, createdBy, requestDigest: key, traceId },
    }),
  )
}

function keepsChanging(fleet: string): ArmadaError {
  return new ArmadaError('unavailable', `Fleet "${fleet}" keeps changing. Try again.`, {
    retryAfterSeconds: 1,
  })
}
