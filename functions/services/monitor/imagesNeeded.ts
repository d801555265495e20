// Which images hosts have to keep: those of what runs, of what fleets are made of or go back to, and those that were
// pulled ahead.
import * as routes from '../../../shared/api/monitor.ts'
import { ArmadaError } from '../../../shared/errors.ts'
import type { BlueprintRef } from '../../../shared/model/blueprint.ts'
import { wholeReference } from '../../../shared/model/image.ts'
import { isFinished } from '../../../shared/model/shipState.ts'
import { guarded } from '../../middleware/authenticate.ts'
import type { Stores } from '../../stores/stores.ts'
import { serviceApp } from '../serviceApp.ts'

type NeededStores = Pick<Stores, 'ships' | 'fleets' | 'blueprints' | 'imagePulls' | 'mirror'>

export function imagesNeeded(stores: NeededStores) {
  const { blueprints, imagePulls, mirror } = stores
  return serviceApp().openapi(guarded(routes.images), async (c) => {
    const { images: asked } = c.req.valid('json')
    // What is removed has to be pulled again, and memory may lag behind.
    if (asked.length > 0) await mirror.catchUp()
    const needed = new Set([...imagePulls.table.rows()].map(([, { value }]) => wholeReference(value.image)))
    await Promise.all(
      revisionsInUse(stores).map(async ({ name, revision }) => {
        const blueprint = await blueprints.get(name, revision)
        if (blueprint) needed.add(wholeReference(blueprint.spec.image))
        else if (await blueprints.get(name)) throw unreadable(name, revision)
      }),
    )
    return c.json({ needed: asked.filter((image) => needed.has(wholeReference(image))) }, 200)
  })
}

function revisionsInUse({ ships, fleets, blueprints }: NeededStores): BlueprintRef[] {
  const used = new Map<string, BlueprintRef>()
  const use = (name: string, revision: number | undefined) => {
    if (revision !== undefined) used.set(`${name}/${revision}`, { name, revision })
  }
  for (const [, { value }] of ships.table.rows())
    if (!isFinished(value.state)) use(value.blueprint.name, value.blueprint.revision)
  for (const [, { value }] of fleets.table.rows()) {
    const { name, revision } = value.blueprint
    for (const one of [revision, value.rollout?.from, value.rollout?.to]) use(name, one)
    // It may come next.
    use(name, blueprints.heads.get(name)?.value.revision)
  }
  return [...used.values()]
}

function unreadable(name: string, revision: number): ArmadaError {
  return new ArmadaError(
    'unavailable',
    `Revision ${revision} of blueprint "${name}" is in use and cannot be read now.`,
    { retryAfterSeconds: 10 },
  )
}
