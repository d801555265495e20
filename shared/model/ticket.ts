// Ticket: a ship's entry in the scheduler queue, as small as placement allows.
import { z } from 'zod'
import type { BlueprintSpec } from './blueprint.ts'
import { Name } from './name.ts'
import { Placement } from './placement.ts'
import { PortRequest } from './port.ts'
import { Resources } from './resources.ts'

export const Demand = z
  .strictObject({
    resources: Resources,
    ports: z.array(PortRequest),
    placement: Placement,
    fleet: Name.nullable(),
  })
  .meta({ id: 'Demand' })
/** What placement needs to know of a ship. Ships with equal demands are one equivalence class. */
export type Demand = z.infer<typeof Demand>

export interface Ticket {
  ship: string
  attempt: number
  priority: number
  demand: Demand
  /** Hosts that already failed to start this ship. */
  avoidHosts: string[]
  /** Not to be placed before this time (ms since 1970); 0: at once. Starts that fail are tried ever later. */
  notBeforeMs: number
}

export function demandOf(spec: BlueprintSpec, fleet: string | null): Demand {
  return { resources: spec.resources, ports: spec.ports, placement: spec.placement, fleet }
}

// On the wire each different demand stands once and tickets point at it:
// a thousand equal ships cost about 35 bytes each.
const TicketBatch = z.strictObject({
  v: z.literal(1),
  demands: z.array(Demand),
  tickets: z.array(z.tuple([Name, z.int().min(1), z.int(), z.int().min(0), z.array(Name), z.int().min(0)])),
})

export function encodeTickets(tickets: readonly Ticket[]): Buffer {
  const demands: Demand[] = []
  const index = new Map<string, number>()
  const rows = tickets.map((ticket) => {
    const key = JSON.stringify(ticket.demand)
    let at = index.get(key)
    if (at === undefined) {
      at = demands.push(ticket.demand) - 1
      index.set(key, at)
    }
    return [ticket.ship, ticket.attempt, ticket.priority, at, ticket.avoidHosts, ticket.notBeforeMs]
  })
  return Buffer.from(JSON.stringify({ v: 1, demands, tickets: rows }))
}

/** @throws when the bytes are not a batch of tickets. */
export function decodeTickets(data: Buffer): Ticket[] {
  const batch = TicketBatch.parse(JSON.parse(data.toString()))
  return batch.tickets.map(([ship, attempt, priority, at, avoidHosts, notBeforeMs]) => {
    const demand = batch.demands[at]
    if (!demand) throw new Error(`ticket of ${ship} points at demand ${at} of ${batch.demands.length}`)
    return { ship, attempt, priority, demand, avoidHosts, notBeforeMs }
  })
}
