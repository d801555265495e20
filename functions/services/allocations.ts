// Allocations: taken by the allocator; looked up, confirmed and given back on the records of their ships.

import { randomUUID } from 'node:crypto'
import type { Context } from 'hono'
import * as routes from '../../shared/api/allocations.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { AllocationRequest, AllocationView, Want } from '../../shared/model/allocation.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { bindingsOf } from '../middleware/answer.ts'
import { type Env, guarded } from '../middleware/authenticate.ts'
import type { Caller } from '../middleware/callers.ts'
import { askedIn } from '../middleware/idempotency.ts'
import { seesFleet } from '../middleware/scope.ts'
import type { Asked } from '../stores/answers.ts'
import type { Stores } from '../stores/stores.ts'
import type { Allocator, Given, Request } from './allocations/allocator.ts'
import { confirm, giveBack, shipOf, viewOf } from './changes/allocating.ts'
import { pageOf } from './paging.ts'
import { serviceApp } from './serviceApp.ts'
import { tellWorkers } from './ships.ts'

export function allocationService(stores: Stores, allocator: Allocator) {
  const { ships, blueprints } = stores
  return serviceApp()
    .openapi(guarded(routes.createAllocations), async (c) => {
      const { allocations, replayed } = await takeFor(c, allocator, c.req.valid('json'))
      if (replayed) c.header('idempotency-replayed', 'true')
      return c.json({ allocations }, 201)
    })
    .openapi(guarded(routes.listAllocations), async (c) => {
      const query = c.req.valid('query')
      const page = await pageOf(c, query, (after) => matching(c.get('caller'), query, after))
      return c.json({ allocations: page.items, nextCursor: page.nextCursor }, 200)
    })
    .openapi(guarded(routes.getAllocation), async (c) => {
      const { allocation: id } = c.req.valid('param')
      const known = ships.table.get(shipOf(id))
      const found = known && allocationOn(known.value, id)
      const ship = found ? known.value : (await ships.read(shipOf(id)))?.value
      return c.json(viewIn(ship, id, c.get('caller')), 200)
    })
    .openapi(guarded(routes.confirmAllocation), async (c) => {
      const { allocation: id } = c.req.valid('param')
      const caller = c.get('caller')
      const ship = await change(id, caller, (ship) => confirm(ship, caller.name, id))
      return c.json(viewIn(ship, id, caller), 200)
    })
    .openapi(guarded(routes.deleteAllocation), async (c) => {
      const { allocation: id } = c.req.valid('param')
      const caller = c.get('caller')
      const { value: before } = (await ships.get(shipOf(id))) ?? {}
      const of = before?.blueprint
      const policy = of && (await blueprints.get(of.name, of.revision))?.spec.lifecycle.afterUse
      const then = c.req.valid('query').afterUse ?? policy ?? 'ready'
      let found = false
      const ship = await change(id, caller, (ship) => {
        found = allocationOn(ship, id) !== undefined
        return giveBack(ship, id, then, `given back by ${caller.name}`)
      })
      if (!ship || !found) throw noSuchAllocation(id)
      await tellWorkers([ship], stores)
      return c.json({ id, ship: ship.id, state: ship.state }, 200)
    })

  /** @throws ArmadaError not_found for what the caller does not see. */
  async function change(
    id: string,
    caller: Caller,
    next: (ship: Ship) => Ship | undefined,
  ): Promise<Ship | undefined> {
    const row = await ships.change(shipOf(id), ({ value }) => {
      if (!seesFleet(caller, value.fleet)) throw noSuchAllocation(id)
      return next(value) ?? value
    })
    return row?.value
  }

  /** In the order of ships, and of each in that of ids, so that a page can end between two of a ship. */
  function* matching(
    caller: Caller,
    { fleet, ship: only, by }: routes.AllocationFilter,
    after: string,
  ): Generator<[string, AllocationView]> {
    const begun = after === '' ? undefined : ships.table.get(shipOf(after))
    const rows = begun ? [begun] : []
    function* all() {
      yield* rows
      for (const [, row] of ships.table.rows(after && shipOf(after))) yield row
    }
    for (const { value: ship } of all()) {
      if (!ship.allocations?.length || !seesFleet(caller, ship.fleet)) continue
      if ((fleet !== undefined && ship.fleet !== fleet) || (only !== undefined && ship.id !== only)) continue
      for (const one of [...ship.allocations].sort((a, b) => (a.id < b.id ? -1 : 1))) {
        if (by !== undefined && one.by !== by) continue
        if (shipOf(after) !== ship.id || one.id > after) yield [one.id, viewOf(ship, one)]
      }
    }
  }
}

/** Takes what is asked for on behalf of the caller, within the fleets that it sees. */
export async function takeFor(
  c: Context<Env>,
  allocator: Allocator,
  request: AllocationRequest,
): Promise<Given> {
  const { outgoing } = bindingsOf(c)
  const asked = await askedIn(c)
  return allocator.take(
    askOf(request, { caller: c.get('caller'), asked, isGone: () => outgoing?.destroyed === true }),
  )
}

export interface Asker {
  caller: Caller
  asked: Asked | undefined
  /** Whether nobody waits for the answer any more. */
  isGone(): boolean
}

export function askOf(request: AllocationRequest, { caller, asked, isGone }: Asker): Request {
  const { count, counters, lists, leaseSeconds, labels, annotations, reserve, waitSeconds } = request
  return {
    wants: wantsOf(request, caller.token?.fleets ?? null),
    count,
    taking: {
      suffix: newSuffix(),
      by: caller.name,
      leaseMs: leaseSeconds === undefined ? null : leaseSeconds * 1_000,
      gift: { labels, annotations, counters, lists, reserve },
    },
    asked,
    waitSeconds,
    isGone,
  }
}

/** Of requests that are kept: the allocator knows wants again by their identity. */
const wantsKept = new WeakMap<AllocationRequest, readonly Want[]>()

function wantsOf(request: AllocationRequest, fleets: Want['fleets']): readonly Want[] {
  const kept = wantsKept.get(request)
  if (kept?.[0]?.fleets === fleets) return kept
  const { selectors, strategy, priorities, counters, lists, reserve } = request
  const of = { strategy, priorities, counters, lists, reserve, fleets }
  const wants = selectors.map((selector) => ({ selector, ...of }))
  wantsKept.set(request, wants)
  return wants
}

const alphabet = 'bcdfghjklmnpqrstvwxz0123456789'

/** One of 24 million. From an UUID, for which Node keeps random bytes at hand: asking for five took 40 µs. */
function newSuffix(): string {
  const uuid = randomUUID()
  return [0, 2, 4, 6, 9]
    .map((at) => alphabet[Number.parseInt(uuid.slice(at, at + 2), 16) % alphabet.length])
    .join('')
}

function allocationOn(ship: Ship, id: string) {
  return ship.allocations?.find((one) => one.id === id)
}

function viewIn(ship: Ship | undefined, id: string, caller: Caller): AllocationView {
  const found = ship && seesFleet(caller, ship.fleet) && allocationOn(ship, id)
  if (!ship || !found) throw noSuchAllocation(id)
  return viewOf(ship, found)
}

function noSuchAllocation(id: string): ArmadaError {
  return new ArmadaError(
    'not_found',
    `There is no allocation "${id}": it was given back, its lease ran out, or its ship has ended, or has ended the session itself. The events of the ship "${shipOf(id)}" tell which.`,
  )
}
