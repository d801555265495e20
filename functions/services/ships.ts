// Ships: made one by one or in bulk, looked up from memory, stopped.
import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import * as routes from '../../shared/api/ships.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { Blueprint } from '../../shared/model/blueprint.ts'
import { gangFor, shipsOfGang } from '../../shared/model/gang.ts'
import { randomId, shipIdFor } from '../../shared/model/name.ts'
import type { Ship, ShipView } from '../../shared/model/ship.ts'
import { traced } from '../../shared/trace.ts'
import { jsonText } from '../middleware/answer.ts'
import { type Env, guarded } from '../middleware/authenticate.ts'
import type { Caller } from '../middleware/callers.ts'
import { seesFleet } from '../middleware/scope.ts'
import type { Lookups } from '../stores/lookups.ts'
import type { Row } from '../stores/mirror/table.ts'
import type { Stores } from '../stores/stores.ts'
import { recounted } from './changes/countedDown.ts'
import { newShip, stop } from './changes/lifecycle.ts'
import { assertMatch, patched, tag } from './changes/matching.ts'
import { changeData, promising, Refused } from './changes/words.ts'
import { shipMatches } from './filters.ts'
import { pageOf } from './paging.ts'
import { Allowances } from './quotas/allowance.ts'
import { serviceApp } from './serviceApp.ts'
import { ShipTexts } from './ships/shipTexts.ts'
import { queueTickets } from './ships/tickets.ts'
import { Turns } from './ships/turns.ts'
import { shipView, shipViews } from './views.ts'
import { watchedShips } from './watch/watchedLists.ts'
import type { Watching } from './watch/watching.ts'

/** Ships of one request that its audit entry names. */
const subjectsNamed = 5

export function shipService(stores: Stores, watching: Watching, texts: ShipTexts) {
  const { ships, dispatch } = stores
  const allowances = new Allowances(stores)
  const turns = new Turns()
  return serviceApp()
    .openapi(guarded(routes.createShips), async (c) => {
      const request = c.req.valid('json')
      const blueprint = await blueprintFor(stores, request.blueprint, request.revision)
      await dispatch.assertRoom()
      const key = c.req.valid('header')['idempotency-key'] ?? randomId()
      const wanted = shipsOf(request, blueprint, c, key)
      const made = await makeShips(wanted, c.get('caller'), key)
      c.set(
        'subject',
        made
          .slice(0, subjectsNamed)
          .map((row) => row.value.id)
          .join(','),
      )
      await queueTickets(
        made.map((row) => row.value),
        stores,
      )
      return c.json({ ships: await shipViews(made, stores) }, 201)
    })
    .openapi(guarded(routes.listShips), async (c) => {
      const query = c.req.valid('query')
      const caller = c.get('caller')
      if (query.watch) {
        const chosen = (ship: Ship) => shipMatches(query, ship)
        const fleets = (fleet: string | null) =>
          (query.fleet === undefined || fleet === query.fleet) && seesFleet(caller, fleet)
        return (await watching.list(c, watchedShips(stores, texts, chosen, fleets))) as never
      }
      const { items, nextCursor } = await pageOf(c, query, (after) => matching(caller, query, after))
      return c.json({ ships: await shipViews(items, stores), nextCursor }, 200)
    })
    .route('/', shipLookup(stores, texts))
    .openapi(guarded(routes.patchShip), async (c) => {
      const { ship: id } = c.req.valid('param')
      const ifMatch = c.req.valid('header')['if-match']
      const change = (row: Row<Ship>) => {
        assertSeen(c.get('caller'), row.value)
        assertMatch(row, ifMatch, `Ship "${id}"`)
        const { labels, doneBy, ...data } = c.req.valid('json')
        const next = { ...promising(row.value, doneBy), ...traced({ traceId: c.get('trace')?.id }) }
        const changed = changeData({ ...next, labels: patched(row.value.labels, labels) }, data)
        return recounted(row.value, changed)
      }
      const row = await ships.change(id, change).catch((error) => {
        throw error instanceof Refused
          ? new ArmadaError('conflict', `Ship "${id}": ${error.message}.`)
          : error
      })
      if (!row) throw noSuchShip(id)
      tag(c, row)
      return c.json(await shipView(row, stores), 200)
    })
    .openapi(guarded(routes.deleteShip), async (c) => {
      const { ship: id } = c.req.valid('param')
      const row = await ships.change(id, (row) => {
        assertSeen(c.get('caller'), row.value)
        assertMatch(row, c.req.valid('header')['if-match'], `Ship "${id}"`)
        const next = stop(row.value, 'api', `stopped by ${c.get('caller').name}`)
        return next ? { ...next, ...traced({ traceId: c.get('trace')?.id }) } : row.value
      })
      if (!row) throw noSuchShip(id)
      await tellWorkers([row.value], stores)
      return c.json(await shipView(row, stores), 202)
    })

  async function makeShips(wanted: readonly Ship[], { token }: Caller, holder: string): Promise<Row<Ship>[]> {
    const make = () =>
      ships.create(wanted, async (missing, later) => {
        const { resources: each, blueprint } = missing[0] as Ship
        const wish = { fleet: null, token, each, holder, behindFleets: true }
        // Ships that an earlier try of the same request made are counted as used already.
        const lacking = (some: readonly Ship[]) => some.filter(({ id }) => !ships.table.get(id)).length
        const [guard, { conditions, writes }] = await Promise.all([
          stores.blueprints.guard(blueprint.name),
          allowances.demand({ ...wish, count: () => lacking(missing), later: () => lacking(later) }),
        ])
        return { conditions: [guard, ...conditions], writes }
      })
    return token?.quota ? turns.take(`token "${token.name}"`, make) : make()
  }

  function* matching(
    caller: Caller,
    filter: routes.ShipFilter,
    after: string,
  ): Generator<[string, Row<Ship>]> {
    for (const [id, row] of ships.table.rows(after))
      if (seesFleet(caller, row.value.fleet) && shipMatches(filter, row.value)) yield [id, row]
  }
}

/** The part that the edge has too. */
export function shipLookup(stores: Pick<Lookups, 'ships' | 'samples'>, texts = new ShipTexts(stores)) {
  return serviceApp().openapi(guarded(routes.getShip), async (c) => {
    const { ship: id } = c.req.valid('param')
    const row = await seenShip(stores, c.get('caller'), id)
    tag(c, row)
    return jsonText<ShipView>(c, await texts.of(row))
  })
}

/** @throws ArmadaError not_found when there is no such ship, or the caller does not see it. */
export async function seenShip(
  { ships }: Pick<Lookups, 'ships'>,
  caller: Caller,
  id: string,
): Promise<Row<Ship>> {
  const row = await ships.get(id)
  if (!row) throw noSuchShip(id)
  assertSeen(caller, row.value)
  return row
}

/** @throws ArmadaError not_found that names what there is. */
export async function blueprintFor(
  { blueprints }: Pick<Lookups, 'blueprints'>,
  name: string,
  revision: number | undefined,
): Promise<Blueprint> {
  const blueprint = await blueprints.get(name, revision)
  if (blueprint) return blueprint
  if (revision !== undefined && (await blueprints.get(name))) {
    throw new ArmadaError(
      'not_found',
      `Blueprint "${name}" has no revision ${revision}. GET /v1/blueprints/${name}/revisions lists them.`,
    )
  }
  throw new ArmadaError(
    'not_found',
    `There is no blueprint "${name}". PUT /v1/blueprints/${name} publishes one.`,
  )
}

/** @throws ArmadaError not_found, as if there were no such ship. */
function assertSeen(caller: Caller, { id, fleet }: Ship): void {
  if (!seesFleet(caller, fleet)) throw noSuchShip(id)
}

function noSuchShip(id: string): ArmadaError {
  const detail = `There is no ship "${id}". Ships that ended are forgotten after a time.`
  return new ArmadaError('not_found', detail)
}

/** Sends a stop job for every ship that is Stopping. */
export async function tellWorkers(ships: readonly Ship[], { dispatch }: Stores): Promise<void> {
  await dispatch.stopShips(
    ships.flatMap(({ id, attempt, host, state, traceId }) =>
      state === 'Stopping' && host ? [{ id, attempt, host, ...traced({ traceId }) }] : [],
    ),
  )
}

function shipsOf(request: routes.ShipRequest, blueprint: Blueprint, c: Context<Env>, key: string): Ship[] {
  const caller = c.get('caller')
  const { count, labels, priority } = request
  // With the caller in it, so that two callers who choose the same key do not meet.
  const scope = `${caller.role}:${caller.name}\n${key}`
  const requestDigest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
  const gang = request.gang ? gangFor(blueprint.name, scope, count) : undefined
  const ids = gang
    ? shipsOfGang(gang)
    : Array.from({ length: count }, (_, index) => shipIdFor(blueprint.name, scope, index))
  return ids.map((id) =>
    newShip({
      id,
      fleet: null,
      blueprint,
      labels,
      priority,
      requestDigest,
      gang,
      createdBy: caller.token?.name,
      traceId: c.get('trace')?.id,
    }),
  )
}
