// Event: something that happened to a ship or a fleet, and why.
import { z } from 'zod'
import { FleetEntry } from './history.ts'
import { Name, PrefixName } from './name.ts'
import { ShipState } from './shipState.ts'

/** All types of events that there are. */
export const eventTypes: readonly string[] = [
  ...ShipState.options.map((state) => `ship.${state.toLowerCase()}`),
  'ship.refused',
  ...FleetEntry.shape.what.options.map((what) => `fleet.${what}`),
]

export const ArmadaEvent = z
  .strictObject({
    id: z
      .string()
      .regex(/^\d{1,16}-\d{1,5}$/)
      .describe(
        'Revision of the store and place in it: later events have higher ids. Taken by `Last-Event-ID`',
      ),
    type: z
      .string()
      .regex(/^(ship|fleet)\.[a-z]+(-[a-z]+)*$/)
      .describe(
        '`ship.queued`, `ship.ready`, … one for each state; `ship.refused`: no host has room; `fleet.created`, `fleet.scaled`, `fleet.autoscaled`, `fleet.policy`, `fleet.revised`: a rollout begins; `fleet.canary-ready`, `fleet.promoted`, `fleet.paused`, `fleet.resumed`, `fleet.rolled-out`, `fleet.rolling-back`, `fleet.rolled-back`, `fleet.crash-loop`; `fleet.held`: a quota; `fleet.deleting`, `fleet.deleted`',
      ),
    at: z.iso.datetime(),
    ship: Name.nullable().describe('The ship it happened to; null for events of a fleet'),
    fleet: PrefixName.nullable(),
    number: z
      .int()
      .min(1)
      .describe('Running number within the ship, or within the fleet: tells doubles and gaps'),
    attempt: z.int().min(1).nullable(),
    state: ShipState.nullable().describe('The state of the ship from then on'),
    host: Name.nullable(),
    reason: z.string().nullable(),
  })
  .meta({ id: 'Event' })
export type ArmadaEvent = z.infer<typeof ArmadaEvent>

export const PastEvent = ArmadaEvent.omit({ id: true }).meta({ id: 'PastEvent' })
/** An event as the record it happened to remembers it. */
export type PastEvent = z.infer<typeof PastEvent>
