// The fields by which lists are selected: one table for each resource.
import type { Fields } from './fieldSelector.ts'
import type { Fleet } from './fleet.ts'
import type { HostView } from './host.ts'
import type { Ship } from './ship.ts'
import { isInUse, ShipState } from './shipState.ts'

export const shipFields: Fields<Ship> = {
  id: { about: 'its id', of: (ship) => ship.id },
  state: { about: 'its state', of: (ship) => ship.state, is: ShipState.options },
  fleet: { about: 'its fleet', of: (ship) => ship.fleet },
  name: { about: 'its name, if it is numbered', of: (ship) => ship.name },
  host: { about: 'the host it is on', of: (ship) => ship.host },
  blueprint: { about: 'name of its blueprint', of: (ship) => ship.blueprint.name },
  'blueprint.revision': { about: 'a number', of: (ship) => ship.blueprint.revision, is: 'number' },
  attempt: { about: 'a number', of: (ship) => ship.attempt, is: 'number' },
  failedStarts: { about: 'a number', of: (ship) => ship.failedStarts, is: 'number' },
  priority: { about: 'a number', of: (ship) => ship.priority, is: 'number' },
  gang: { about: 'id of its gang', of: (ship) => ship.gang?.id },
  moving: { about: 'true while it only leaves its host', of: (ship) => ship.moving, is: 'boolean' },
  inUse: { about: 'true of Allocated and Reserved', of: (ship) => isInUse(ship.state), is: 'boolean' },
}

export const fleetFields: Fields<Fleet> = {
  name: { about: 'its name', of: (fleet) => fleet.name },
  blueprint: { about: 'name of its blueprint', of: (fleet) => fleet.blueprint.name },
  'blueprint.revision': { about: 'a number', of: (fleet) => fleet.blueprint.revision, is: 'number' },
  replicas: { about: 'a number', of: (fleet) => fleet.replicas, is: 'number' },
  priority: { about: 'a number', of: (fleet) => fleet.priority, is: 'number' },
  deleting: { about: 'true while it is being deleted', of: (fleet) => fleet.deleting, is: 'boolean' },
}

export const hostFields: Fields<HostView> = {
  id: { about: 'its id', of: (host) => host.id },
  state: { about: 'its state', of: (host) => host.state, is: ['Online', 'Degraded', 'Silent'] },
  address: { about: 'where players reach it', of: (host) => host.address },
  agentVersion: { about: 'the version of its agent', of: (host) => host.agentVersion },
  cordoned: { about: 'true when it takes no new ships', of: (host) => host.cordon !== null, is: 'boolean' },
  draining: { about: 'true while it is drained', of: (host) => host.drain !== null, is: 'boolean' },
  'drain.state': {
    about: 'how far its drain is',
    of: (host) => host.drain?.state,
    is: ['Draining', 'Overdue', 'Drained'],
  },
  ships: { about: 'number of ships aboard', of: (host) => host.ships, is: 'number' },
}
