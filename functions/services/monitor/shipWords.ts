// What ships say through their SDK, passed on by their hosts: taken once each, durable before the answer.
import * as routes from '../../../shared/api/monitor.ts'
import { ArmadaError } from '../../../shared/errors.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isFinished } from '../../../shared/model/shipState.ts'
import { guarded } from '../../middleware/authenticate.ts'
import type { Stores } from '../../stores/stores.ts'
import { type Heard, hear, selfOf } from '../changes/words.ts'
import { serviceApp } from '../serviceApp.ts'

export function shipWords({ ships }: Pick<Stores, 'ships'>) {
  return serviceApp().openapi(guarded(routes.tell), async (c) => {
    const me = c.get('caller').name
    const { ship: id } = c.req.valid('param')
    const { attempt, first, words } = c.req.valid('json')
    const isMine = (ship: Ship) => ship.host === me && ship.attempt === attempt && !isFinished(ship.state)
    let heard: Heard | undefined
    const changed = await ships.update([id], (ship) => {
      heard = isMine(ship) ? hear(ship, first, words) : undefined
      return heard && heard.ship !== ship ? heard.ship : undefined
    })
    const row = changed.get(id) ?? (await ships.read(id))
    if (!row || !heard || !isMine(row.value)) throw notYours(id, attempt, me)
    return c.json({ taken: heard.taken, refused: heard.refused, self: selfOf(row) }, 200)
  })
}

function notYours(id: string, attempt: number, me: string): ArmadaError {
  return new ArmadaError('conflict', `Attempt ${attempt} of ship "${id}" is not (any more) on host "${me}".`)
}
