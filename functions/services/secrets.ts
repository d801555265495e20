// Secrets: set and deleted by admins, handed over to the host that starts a ship which needs them.
import * as routes from '../../shared/api/secrets.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { SecretView } from '../../shared/model/secret.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { Seal } from '../stores/seal.ts'
import { SecretStore, type StoredSecret } from '../stores/secrets.ts'
import type { Stores } from '../stores/stores.ts'
import { serviceApp } from './serviceApp.ts'

const mostSecrets = 1_000

export function secretService({ kv, ships, blueprints }: Stores, seal: Seal) {
  const secrets = new SecretStore(kv, seal)
  return serviceApp()
    .openapi(guarded(routes.putSecret), async (c) => {
      const { secret: name } = c.req.valid('param')
      const all = await secrets.list()
      if (all.length >= mostSecrets && !all.some((one) => one.name === name)) {
        throw new ArmadaError('conflict', `There are ${mostSecrets} secrets already. Delete one first.`)
      }
      return c.json(viewOf(await secrets.put(name, c.req.valid('json').value)), 200)
    })
    .openapi(guarded(routes.listSecrets), async (c) =>
      c.json({ secrets: (await secrets.list()).map(viewOf) }, 200),
    )
    .openapi(guarded(routes.deleteSecret), async (c) => {
      const { secret: name } = c.req.valid('param')
      if (!(await secrets.remove(name))) {
        throw new ArmadaError('not_found', `There is no secret "${name}". GET /v1/secrets lists them.`)
      }
      return c.json({ deleted: name }, 200)
    })
    .openapi(guarded(routes.handOver), async (c) => {
      const me = c.get('caller').name
      const { ship: id } = c.req.valid('param')
      const { attempt } = c.req.valid('json')
      // As etcd has it: nothing is handed to a host whose claim is over.
      const ship = (await ships.read(id))?.value
      if (!ship || ship.host !== me || ship.attempt !== attempt || ship.state !== 'Starting') {
        throw new ArmadaError(
          'conflict',
          `Attempt ${attempt} of ship "${id}" does not start on host "${me}".`,
        )
      }
      const blueprint = await blueprints.get(ship.blueprint.name, ship.blueprint.revision)
      const names = [...new Set(blueprint?.spec.secrets.map(({ name }) => name))]
      const values = await Promise.all(names.map(async (name) => [name, await textOf(name)] as const))
      return c.json({ values: Object.fromEntries(values) }, 200)
    })

  async function textOf(name: string): Promise<string> {
    const value = await secrets.open(name)
    if (value) return value
    const why =
      value === null
        ? `Secret "${name}" was sealed with another ARMADA_SECRETS_KEY`
        : `There is no secret "${name}"`
    throw new ArmadaError('not_found', `${why}. PUT /v1/secrets/${name} sets it.`)
  }
}

function viewOf({ revision, ...shown }: StoredSecret): SecretView {
  return { ...shown, revision: String(revision) }
}
