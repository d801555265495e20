// ShipBlueprints: published as revisions that never change.
import * as routes from '../../shared/api/blueprints.ts'
import { ArmadaError } from '../../shared/errors.ts'
import { differences } from '../../shared/model/difference.ts'
import { isFinished } from '../../shared/model/shipState.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { Lookups } from '../stores/lookups.ts'
import type { Stores } from '../stores/stores.ts'
import { pageOf } from './paging.ts'
import { serviceApp } from './serviceApp.ts'
import { blueprintFor } from './ships.ts'

/** @param isGame whether query probes can ask a game of that type. */
export function blueprintService(stores: Stores, isGame: (type: string) => Promise<boolean>) {
  const { blueprints, fleets, ships } = stores
  return serviceApp()
    .openapi(guarded(routes.putBlueprint), async (c) => {
      const spec = c.req.valid('json')
      if (spec.probe.type === 'query' && !(await isGame(spec.probe.game))) throw unknownGame(spec.probe.game)
      return c.json(await blueprints.publish(c.req.valid('param').blueprint, spec), 200)
    })
    .openapi(guarded(routes.listBlueprints), async (c) => {
      const page = await pageOf(c, c.req.valid('query'), (after) => blueprints.names(after))
      const found = await Promise.all(page.items.map((name) => blueprints.get(name)))
      const shown = found.filter((blueprint) => blueprint !== undefined)
      return c.json({ blueprints: shown, nextCursor: page.nextCursor }, 200)
    })
    .route('/', blueprintLookup(stores))
    .openapi(guarded(routes.rollbackBlueprint), async (c) => {
      const { blueprint: name } = c.req.valid('param')
      const { spec } = await blueprintFor(stores, name, c.req.valid('json').revision)
      return c.json(await blueprints.publish(name, spec), 200)
    })
    .openapi(guarded(routes.deleteBlueprint), async (c) => {
      const { blueprint: name } = c.req.valid('param')
      assertUnused(name)
      const removed = await blueprints.remove(name, () => assertUnused(name))
      if (!removed) await blueprintFor(stores, name, undefined)
      return c.json({ deleted: name }, 200)
    })

  function assertUnused(name: string): void {
    const users = [...usersOf(name)]
    if (users.length === 0) return
    const some = `${users.slice(0, 3).join(', ')}${users.length > 3 ? ' …' : ''}`
    throw new ArmadaError('conflict', `Blueprint "${name}" is in use by ${some}. Delete these first.`)
  }

  function* usersOf(name: string): Generator<string> {
    for (const [fleet, { value }] of fleets.table.rows())
      if (value.blueprint.name === name) yield `fleet ${fleet}`
    for (const [id, { value }] of ships.table.rows()) {
      if (value.blueprint.name === name && !isFinished(value.state)) yield `ship ${id}`
    }
  }
}

/** The part that the edge has too. */
export function blueprintLookup(stores: Pick<Lookups, 'blueprints'>) {
  return serviceApp()
    .openapi(guarded(routes.getBlueprint), async (c) => {
      const { revision } = c.req.valid('query')
      return c.json(await blueprintFor(stores, c.req.valid('param').blueprint, revision), 200)
    })
    .openapi(guarded(routes.listRevisions), async (c) => {
      const { blueprint: name } = c.req.valid('param')
      await blueprintFor(stores, name, undefined)
      return c.json({ revisions: await stores.blueprints.revisions(name) }, 200)
    })
    .openapi(guarded(routes.diffBlueprint), async (c) => {
      const { blueprint: name } = c.req.valid('param')
      const { from, to } = c.req.valid('query')
      const [before, after] = await Promise.all([
        blueprintFor(stores, name, from),
        blueprintFor(stores, name, to),
      ])
      const changes = differences(before.spec, after.spec)
      return c.json({ from: before.revision, to: after.revision, changes }, 200)
    })
}

function unknownGame(game: string): ArmadaError {
  const message = `no game of the type "${game}" is known; the GAMES_LIST of the gamedig library has them all`
  return new ArmadaError('invalid_request', `In the body, probe.game: ${message}`, {
    issues: [{ path: 'probe.game', message }],
  })
}
