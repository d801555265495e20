// Steps of fleets: what the leading controllers have decided, done to a fleet and its ships as they saw them.
//
// INVARIANT: each step names the fleet's revision that it was decided on, and is refused when that is over.
import * as routes from '../../../shared/api/fleets.ts'
import { ArmadaError } from '../../../shared/errors.ts'
import { backoffMs, sleep } from '../../../shared/loop.ts'
import { type Blueprint, keepsVolumes } from '../../../shared/model/blueprint.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import { randomId, shipIdFor } from '../../../shared/model/name.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isFinished, isSpared } from '../../../shared/model/shipState.ts'
import { traced } from '../../../shared/trace.ts'
import { guarded } from '../../middleware/authenticate.ts'
import { etcdKeys } from '../../stores/keys.ts'
import type { Row } from '../../stores/mirror/table.ts'
import type { Stores } from '../../stores/stores.ts'
import { afterDeadline } from '../changes/deadline.ts'
import { crashing, remembering } from '../changes/fleetChanges.ts'
import { givenInPlace, inPlaceIfSoft } from '../changes/inPlace.ts'
import { newShip, stop } from '../changes/lifecycle.ts'
import { movedOn } from '../changes/matching.ts'
import { freeNames } from '../changes/naming.ts'
import { afterOverflow, beyond } from '../changes/overflow.ts'
import { goingBack, goingTo, turned } from '../changes/rolloutChanges.ts'
import { Allowances } from '../quotas/allowance.ts'
import { serviceApp } from '../serviceApp.ts'
import { queueTickets } from '../ships/tickets.ts'
import { blueprintFor, tellWorkers } from '../ships.ts'
import { Resizes } from './resizes.ts'

const conflictLimit = 16
/** For memory to show the fleet as it was read. */
const reachMs = 2_000

export function fleetStepService(stores: Stores) {
  const { fleets, ships, epochs, dispatch, berths, hosts, mirror } = stores
  const allowances = new Allowances(stores)
  const resizes = new Resizes(stores)
  return serviceApp().openapi(guarded(routes.stepFleet), async (c) => {
    const step = c.req.valid('json')
    const row = await fleetNamed(stores, c.req.valid('param').fleet)
    const fence = await epochs.fence('controllers', step.epoch)
    if (String(row.revision) !== step.revision) throw movedOn(`Fleet "${row.value.name}"`)
    if (step.relabel) await relabel(row, fence)
    if (step.deadline) await tellOrEnd(row, fence)
    if (step.overflow) await giveOverflow(row, fence)
    const stopped = await stopShips(row, step.stop, fence)
    const created = await create(row, step, fence)
    await turn(row, step, fence)
    if (step.forget) await forget(row, fence)
    return c.json({ created, stopped }, 200)
  })

  type Fence = Awaited<ReturnType<typeof epochs.fence>>

  /** Makes as many of the ships as the quotas over the fleet leave, and writes down why when it is not all. */
  async function create(
    first: Row<Fleet>,
    { create: wanted, of }: Pick<routes.FleetStep, 'create' | 'of'>,
    fence: Fence,
  ): Promise<string[]> {
    if (wanted === 0) return []
    const fleet = first.value
    const names = await namesFor(first)
    const most = Math.min(wanted, names?.length ?? wanted)
    if (most === 0) return []
    await dispatch.assertRoom()
    const blueprint = await blueprintFor(stores, fleet.blueprint.name, of ?? fleet.blueprint.revision)
    const key = randomId()
    const wish = {
      ...allowances.accountOf(fleet),
      each: blueprint.spec.resources,
      count: () => most,
      holder: key,
      behindFleets: false,
    }
    for (let tries = 0; tries < conflictLimit; tries++) {
      const { fits, refusal, ...leave } = await allowances.ask(wish)
      const { held, ...rest } = fleet
      const told = { ...rest, ...(refusal !== null && { held: refusal }) }
      if (fits === 0 && held === told.held) return []
      const made = shipsOf(fleet, blueprint, key, fits).map((ship, i) => named(ship, blueprint, names?.[i]))
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

  /**
   * Free names for ships of the fleet as it was read. Its ships are made in one transaction with its record: when the
   * write that takes these names succeeds, nobody has taken them since.
   */
  async function namesFor({ value, revision }: Row<Fleet>): Promise<string[] | undefined> {
    if (value.naming !== 'ordinal') return undefined
    await mirror.reach(revision, reachMs)
    if (mirror.revision < revision) {
      const detail = `Memory is behind revision ${revision} of fleet "${value.name}". Try again.`
      throw new ArmadaError('unavailable', detail, { retryAfterSeconds: 1 })
    }
    return freeNames(
      value,
      ships.index.ofFleet(value.name).map((row) => row.value),
    )
  }

  /** With the name, and at home where that has kept something; a host that was removed does not come back. */
  function named(ship: Ship, { spec }: Blueprint, name: string | undefined): Ship {
    if (name === undefined) return ship
    const host = keepsVolumes(spec) ? berths.table.get(name)?.value.host : undefined
    const home = host !== undefined && hosts.table.get(host) ? { home: host } : {}
    return { ...ship, name, ...home }
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

  /**
   * Ships of older revisions that are in use hear when they end, or end because that time has come; others are not told
   * so any more.
   */
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

  async function giveOverflow(row: Row<Fleet>, fence: Fence): Promise<void> {
    const all = ships.index.ofFleet(row.value.name).map(({ value }) => value)
    const chosen = beyond(row.value, all)
    const decide = (ship: Ship) => {
      const next = afterOverflow(ship, row.value, chosen.has(ship.id))
      return next && { ...next, ...traced(row.value) }
    }
    const ids = all.map(({ id }) => id)
    await ships.update(ids, decide, asItIs(row, fence))
  }

  async function relabel(row: Row<Fleet>, fence: Fence): Promise<void> {
    const fleet = row.value
    const { revisions } = fleet.relabel ?? {}
    if (revisions?.limits && revisions.to === fleet.blueprint.revision) {
      await resizes.give(fleet, revisions.to, asItIs(row, fence))
    } else {
      const ids = ships.index.ofFleet(fleet.name).map(({ value }) => value.id)
      await ships.update(ids, (ship) => givenInPlace(ship, fleet), asItIs(row, fence))
    }
    const { relabel: _, ...done } = fleet
    await replace(row, done, fence)
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
      next = await onItsWay(stores, next, revise, 'its blueprint')
    }
    if (crashLoop !== undefined) next = crashing(next, crashLoop)
    if (next !== row.value) await replace(row, next, fence)
  }

  /** @throws ArmadaError when the leader, or the fleet, is not the one of this step any more. */
  async function replace(row: Row<Fleet>, next: Fleet, fence: Fence): Promise<void> {
    if (await fleets.write(next, row.revision, [], { conditions: fence.conditions })) return
    await fence.check()
    throw movedOn(`Fleet "${row.value.name}"`)
  }

  async function forget(row: Row<Fleet>, fence: Fence): Promise<void> {
    const left = ships.index.ofFleet(row.value.name).filter(({ value }) => !isFinished(value.state))
    if (!row.value.deleting || left.length > 0) {
      throw new ArmadaError('conflict', `Fleet "${row.value.name}" still has ${left.length} ships.`)
    }
    await berths.forget(row.value.name, fence)
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

/** @throws ArmadaError not_found. */
export async function fleetNamed({ fleets }: Stores, name: string): Promise<Row<Fleet>> {
  const row = await fleets.read(name)
  if (!row) throw noSuchFleet(name)
  return row
}

/** With the rollout to another revision, in place if no ship has to start anew for it. */
export function onItsWay(stores: Stores, fleet: Fleet, revision: number, by: string): Promise<Fleet> {
  return inPlace(stores, fleet, goingTo(fleet, revision, by))
}

/** Back to a revision, or to the one before: in place likewise. */
export function onItsWayBack(
  stores: Stores,
  fleet: Fleet,
  revision: number | undefined,
  by: string,
): Promise<Fleet> {
  return inPlace(stores, fleet, goingBack(fleet, revision, `by ${by}`))
}

async function inPlace(stores: Stores, fleet: Fleet, next: Fleet): Promise<Fleet> {
  const { name, revision: now } = fleet.blueprint
  const { spec: to } = await blueprintFor(stores, name, next.blueprint.revision)
  if (next === fleet) return fleet
  const { spec: from } = await blueprintFor(stores, name, now)
  return inPlaceIfSoft(fleet, next, from, to)
}

export function noSuchFleet(name: string): ArmadaError {
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
