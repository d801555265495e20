// What a list's query lets through, one function for each resource.
import type { FleetFilter } from '../../shared/api/fleets.ts'
import type { HostFilter } from '../../shared/api/hosts.ts'
import type { ShipFilter } from '../../shared/api/ships.ts'
import { fieldsMatch } from '../../shared/model/fieldSelector.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import type { HostView } from '../../shared/model/host.ts'
import { selects } from '../../shared/model/labelSelector.ts'
import { fleetFields, hostFields, shipFields } from '../../shared/model/selectable.ts'
import type { Ship } from '../../shared/model/ship.ts'

export function shipMatches(filter: ShipFilter, ship: Ship): boolean {
  const { state, fleet, name, host, blueprint, labelSelector, fieldSelector } = filter
  return (
    (!state || state.includes(ship.state)) &&
    (fleet === undefined || ship.fleet === fleet) &&
    (name === undefined || ship.name === name) &&
    (host === undefined || ship.host === host) &&
    (blueprint === undefined || ship.blueprint.name === blueprint) &&
    selects(labelSelector, ship.labels) &&
    fieldsMatch(shipFields, fieldSelector, ship)
  )
}

export function fleetMatches({ labelSelector, fieldSelector }: FleetFilter, fleet: Fleet): boolean {
  return selects(labelSelector, fleet.labels) && fieldsMatch(fleetFields, fieldSelector, fleet)
}

export function hostMatches({ labelSelector, fieldSelector }: HostFilter, host: HostView): boolean {
  return selects(labelSelector, host.labels) && fieldsMatch(hostFields, fieldSelector, host)
}
