// Fleets: N ships of one blueprint. People say how many; the controllers step towards it.
import * as routes from '../../shared/api/fleets.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import { selects } from '../../shared/model/labelSelector.ts'
import { randomId, shipIdFor } from '../../shared/model/name.ts'
import { isFinished } from '../../shared/model/shipState.ts'
import { type Caller, guarded } from '../middleware/authenticate.ts'
import { assertMayName, seesFleet } from '../middleware/scope.ts'
import type { Stores } from '../stores/stores.ts'
import type { Row } from '../stores/table.ts'
import { newShip, stop } from './lifecycle.ts'
import { assertMatch, movedOn, tagOf } from './matching.ts'
import { serviceApp } from './serviceApp.ts'
import { blueprintFor, tellWorkers } from './ships.ts'
import { queueTickets } from './tickets.ts'
import { fleetView } from './views.ts'

export function fleetService(stores: Stores) {
  const { fleets, ships, epochs, dispatch } = stores
  return serviceApp()
    .openapi(guarded(routes.createFleet), async (c) => {
      const { name, blueprint, revision, replicas, labels, priority } = c.req.valid('json')
      assertMayName(c.get('caller'), name)
      c.set('subject', name)
      const { revision: chosen } = await blueprintFor(stores, blueprint, revision)
      const wanted = { name, blueprint: { name: blueprint, revision: chosen }, replicas, labels, priority }
      const fleet: Fleet = { ...wanted, deleting: false, generation: 0, createdAt: new Date().toISOString() }
      const guard = await stores.blueprints.guard(blueprint)
      const row = (await fleets.write(fleet, 0, [], [guard])) ?? (await sameFleet(wanted))
      return c.json(fleetView(row, stores), 201)
    })
    .openapi(guarded(routes.listFleets), (c) => {
      const { labelSelector } = c.req.valid('query')
      const rows = [...fleets.table.rows()].map(([, row]) => row)
      const seen = rows.filter(({ value }) => seesFleet(c.get('caller'), value.name))
      const chosen = seen.filter(({ value }) => selects(labelSelector, value.labels))
      return c.json({ fleets: chosen.map((row) => fleetView(row, stores)) }, 200)
    })
    .openapi(guarded(routes.getFleet), async (c) => {
      const { fleet } = c.req.valid('param')
      assertSeen(c.get('caller'), fleet)
      const row = fleets.table.get(fleet) ?? (await fleetNamed(fleet))
      c.header('etag', tagOf(row))
      return c.json(fleetView(row, stores), 200)
    })
    .openapi(guarded(routes.patchFleet), async (c) => {
      const { replicas, revision } = c.req.valid('json')
      const ifMatch = c.req.valid('header')['if-match']
      const { fleet } = c.req.valid('param')
      assertSeen(c.get('caller'), fleet)
      const row = await change(fleet, async ({ value, revision: read }) => {
        assertMatch({ value, revision: read }, ifMatch, `Fleet "${value.name}"`)
        if (value.deleting) throw new ArmadaError('conflict', `Fleet "${value.name}" is being deleted.`)
        if (revision !== undefined) await blueprintFor(stores, value.blueprint.name, revision)
        return {
          ...value,
          replicas: replicas ?? value.replicas,
          blueprint: { ...value.blueprint, revision: revision ?? value.blueprint.revision },
        }
      })
      return c.json(fleetView(row, stores), 200)
    })
    .openapi(guarded(routes.deleteFleet), async (c) => {
      const { fleet } = c.req.valid('param')
      assertSeen(c.get('caller'), fleet)
      const row = await change(fleet, async ({ value }) => ({
        ...value,
        replicas: 0,
        deleting: true,
      }))
      return c.json(fleetView(row, stores), 202)
    })
    .openapi(guarded(routes.stepFleet), async (c) => {
      const step = c.req.valid('json')
      const row = await fleetNamed(c.req.valid('param').fleet)
      const fence = await epochs.fence('controllers', step.epoch)
      if (String(row.revision) !== step.revision) throw movedOn(`Fleet "${row.value.name}"`)
      const created = await create(row, step.create, fence)
      const stopped = await stopShips(row.value, step.stop, fence)
      if (step.forget) await forget(row, fence)
      return c.json({ created, stopped }, 200)
    })

  async function fleetNamed(name: string): Promise<Row<Fleet>> {
    const row = await fleets.read(name)
    if (!row) throw noSuchFleet(name)
    return row
  }

  /** The existing fleet, when the request that met it asks for just the same. */
  async function sameFleet(wanted: Partial<Fleet> & { name: string }): Promise<Row<Fleet>> {
    const row = await fleetNamed(wanted.name)
    const same = Object.entries(wanted).every(
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

  async function change(name: string, next: (row: Row<Fleet>) => Promise<Fleet>): Promise<Row<Fleet>> {
    for (let tries = 0; tries < 8; tries++) {
      const row = await fleetNamed(name)
      const written = await fleets.write(await next(row), row.revision)
      if (written) return written
    }
    throw new ArmadaError('unavailable', `Fleet "${name}" keeps changing. Try again.`, {
      retryAfterSeconds: 1,
    })
  }

  type Fence = Awaited<ReturnType<typeof epochs.fence>>

  async function create(row: Row<Fleet>, count: number, fence: Fence): Promise<string[]> {
    if (count === 0) return []
    const fleet = row.value
    await dispatch.assertRoom()
    const blueprint = await blueprintFor(stores, fleet.blueprint.name, fleet.blueprint.revision)
    const key = randomId()
    const made = Array.from({ length: count }, (_, index) =>
      newShip({
        id: shipIdFor(fleet.name, key, index),
        fleet: fleet.name,
        blueprint,
        labels: fleet.labels,
        priority: fleet.priority,
        requestDigest: key,
      }),
    )
    // The fleet's record changes with its ships: a step decided on an older picture is refused by its revision.
    const written = await fleets.write({ ...fleet, generation: fleet.generation + 1 }, row.revision, made, [
      ...fence.conditions,
    ])
    if (!written) {
      await fence.check()
      throw movedOn(`Fleet "${fleet.name}"`)
    }
    await queueTickets(made, stores)
    return made.map((ship) => ship.id)
  }

  async function stopShips(fleet: Fleet, ids: readonly string[], fence: Fence): Promise<string[]> {
    // Only a person's own word, deleting the fleet, ends ships with players on them.
    const by = fleet.deleting ? 'api' : 'controllers'
    const reason = fleet.deleting ? 'its fleet is being deleted' : 'its fleet was scaled down'
    const stopped = await ships.update(
      ids,
      (ship) => (ship.fleet === fleet.name ? stop(ship, by, reason) : undefined),
      fence,
    )
    await tellWorkers(
      [...stopped.values()].map((row) => row.value),
      stores,
    )
    return [...stopped.keys()]
  }

  async function forget(row: Row<Fleet>, fence: Fence): Promise<void> {
    const left = ships.index.ofFleet(row.value.name).filter(({ value }) => !isFinished(value.state))
    if (!row.value.deleting || left.length > 0) {
      throw new ArmadaError('conflict', `Fleet "${row.value.name}" still has ${left.length} ships.`)
    }
    if (!(await fleets.remove(row.value.name, row.revision, fence)))
      throw movedOn(`Fleet "${row.value.name}"`)
  }
}

/** @throws ArmadaError not_found, as if there were no such fleet. */
function assertSeen(caller: Caller, fleet: string): void {
  if (!seesFleet(caller, fleet)) throw noSuchFleet(fleet)
}

function noSuchFleet(name: string): ArmadaError {
  return new ArmadaError('not_found', `There is no fleet "${name}". POST /v1/fleets creates one.`)
}
