// Offices: the leader of an election becomes one whose writes count.
import * as routes from '../../shared/api/offices.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { Stores } from '../stores/stores.ts'
import { serviceApp } from './serviceApp.ts'

export function officeService({ epochs }: Pick<Stores, 'epochs'>) {
  return serviceApp().openapi(guarded(routes.takeOffice), async (c) => {
    const { office } = c.req.valid('param')
    const { node } = c.req.valid('json')
    return c.json({ epoch: await epochs.take(office, node) }, 200)
  })
}
