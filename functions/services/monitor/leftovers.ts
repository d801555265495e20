// Leftovers: what ships have kept on a host, and whether anybody will come back for it.
import * as routes from '../../../shared/api/monitor.ts'
import { isFinished } from '../../../shared/model/shipState.ts'
import { guarded } from '../../middleware/authenticate.ts'
import type { Stores } from '../../stores/stores.ts'
import { serviceApp } from '../serviceApp.ts'

export function leftovers({ ships, berths, mirror }: Pick<Stores, 'ships' | 'berths' | 'mirror'>) {
  return serviceApp().openapi(guarded(routes.leftovers), async (c) => {
    const me = c.get('caller').name
    const { ships: asked } = c.req.valid('json')
    // What is removed is gone for good, and memory may lag behind.
    if (asked.length > 0) await mirror.catchUp()
    const named = new Map([...berths.table.rows()].map(([, { value }]) => [value.keeper, value]))
    const over = asked.filter((id) => {
      // Names keep what they have while there is no ship of that name.
      const berth = named.get(id)
      if (berth) return berth.host !== me
      const ship = ships.table.get(id)?.value
      return !ship || isFinished(ship.state) || (ship.home !== me && ship.host !== me)
    })
    return c.json({ over }, 200)
  })
}
