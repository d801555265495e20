// Events: the history of one ship or fleet from its record, and everybody's from the event log.
import * as routes from '../../shared/api/events.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { ArmadaEvent } from '../../shared/model/event.ts'
import { guarded } from '../middleware/authenticate.ts'
import { seesFleet } from '../middleware/scope.ts'
import { fleetEvents, shipEvents } from '../stores/mirror/logEntry.ts'
import type { Stores } from '../stores/stores.ts'
import { serviceApp } from './serviceApp.ts'
import { isBefore, type Position, positionOf } from './watch/logReader.ts'
import type { Watching } from './watch/watching.ts'

interface Wanted {
  ship?: string | undefined
  fleet?: string | undefined
  type?: string[] | undefined
}

export function eventService({ ships, fleets, eventLog }: Stores, watching: Watching) {
  return serviceApp()
    .openapi(guarded(routes.listEvents), async (c) => {
      const { watch, since, before, limit, ...wanted } = c.req.valid('query')
      const caller = c.get('caller')
      const wants = (event: ArmadaEvent) => isWanted(event, wanted) && seesFleet(caller, event.fleet)
      if (watch) return (await watching.events(c, wants)) as never
      const { revision } = eventLog
      const [start, end] = [since, before].map((id) => (id === undefined ? undefined : positionOf(id)))
      const events: ArmadaEvent[] = []
      let more = false
      for (const event of eventLog.backwards()) {
        const at = positionOf(event.id) as Position
        if (end && !isBefore(at, end)) continue
        if (start && !isBefore(start, at)) break
        if (!wants(event)) continue
        more = events.length === limit
        if (more) break
        events.push(event)
      }
      const nextBefore = more ? (events.at(-1)?.id ?? null) : null
      return c.json({ events, nextBefore, position: String(revision) }, 200)
    })
    .openapi(guarded(routes.listShipEvents), async (c) => {
      const { ship: id } = c.req.valid('param')
      const row = await ships.get(id)
      if (!row || !seesFleet(c.get('caller'), row.value.fleet))
        throw new ArmadaError('not_found', `There is no ship "${id}". GET /v1/events may still know of it.`)
      return c.json({ events: shipEvents(row.value) }, 200)
    })
    .openapi(guarded(routes.listFleetEvents), async (c) => {
      const { fleet: name } = c.req.valid('param')
      const row = fleets.table.get(name) ?? (await fleets.read(name))
      if (!row || !seesFleet(c.get('caller'), name))
        throw new ArmadaError(
          'not_found',
          `There is no fleet "${name}". GET /v1/events may still know of it.`,
        )
      return c.json({ events: fleetEvents(row.value) }, 200)
    })
}

function isWanted(event: ArmadaEvent, { ship, fleet, type }: Wanted): boolean {
  return (
    (ship === undefined || event.ship === ship) &&
    (fleet === undefined || event.fleet === fleet) &&
    (!type || type.includes(event.type))
  )
}
