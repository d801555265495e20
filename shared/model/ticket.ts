// Ticket: a ship's entry in the scheduler queue, as small as placement allows.
import { z } from 'zod'
import { traced } from '../trace.ts'

import { type BlueprintSpec, keepsVolumes } from './blueprint.ts'

import { Gang } from './gang.ts'
import { Name } from './name.ts'
import { OnceEach, standingAt } from './onceEach.ts'
import { Placement } from './placement.ts'
import { PortRequest } from './port.ts'
import { Resources } from './resources.ts'
import { TraceId } from './traceId.ts'

export const Demand = z
  .strictObject({
    resources: Resources,
    ports: z.array(PortRequest),
    placement: Placement,
    fleet: Name.nullable(),
    home: z
      .strictObject({
        host: Name,
        only: z.boolean().describe('While that host stands and is open, on no other'),
      })
      .optional()
      .describe('The host that is taken before all others if it can be'),
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
  /** It is placed together with the ships of this gang. */
  gang?: Gang
  /** Of the request that made the ship, or changed it last. */
  traceId?: string
}

/** @param home the host that it goes back to if it can. */
export function demandOf(spec: BlueprintSpec, fleet: string | null, home?: string | null): Demand {
  const { resources, ports, placement } = spec
  const demand = { resources, ports, placement, fleet }
  if (!home || placement.host !== undefined) return demand
  const keeps = keepsVolumes(spec)
  if (keeps && spec.lifecycle.hostLost.policy === 'wait')
    return { ...demand, placement: { ...placement, host: home } }
  return { ...demand, home: { host: home, only: keeps } }
}

// On the wire each different demand, and each trace, stands once and tickets point at it: a thousand equal ships
// cost about 35 bytes each, and at most 45 more if each has a trace of its own. A gang names the places of its tickets.
const TicketBatch = z.strictObject({
  v: z.literal(1),
  demands: z.array(Demand),
  traces: z.array(TraceId).optional(),
  tickets: z.array(
    z.tuple([
      ...([Name, z.int().min(1), z.int(), z.int().min(0), z.array(Name), z.int().min(0)] as const),
      z.int().min(0).optional(),
    ]),
  ),
  gangs: z.array(z.strictObject({ gang: Gang, tickets: z.array(z.int().min(0)).min(1) })).optional(),
})
type Row = z.infer<typeof TicketBatch>['tickets'][number]

export function encodeTickets(tickets: readonly Ticket[]): Buffer {
  const demands = new OnceEach<Demand>()
  const traces = new OnceEach<string>()
  const rows = tickets.map(({ ship, attempt, priority, demand, avoidHosts, notBeforeMs, traceId }): Row => {
    const row = [ship, attempt, priority, demands.at(demand), avoidHosts, notBeforeMs] as const
    return traceId === undefined ? [...row] : [...row, traces.at(traceId)]
  })
  const also = traces.all.length > 0 ? { traces: traces.all } : {}
  return Buffer.from(
    JSON.stringify({ v: 1, demands: demands.all, ...also, tickets: rows, ...gangsOf(tickets) }),
  )
}

function gangsOf(tickets: readonly Ticket[]): Pick<z.infer<typeof TicketBatch>, 'gangs'> {
  const places = new Map<string, { gang: Gang; tickets: number[] }>()
  for (const [place, { gang }] of tickets.entries()) {
    if (!gang) continue
    const known = places.get(gang.id)
    if (known) known.tickets.push(place)
    else places.set(gang.id, { gang, tickets: [place] })
  }
  return places.size > 0 ? { gangs: [...places.values()] } : {}
}

/** @throws when the bytes are not a batch of tickets. */
export function decodeTickets(data: Buffer): Ticket[] {
  const { demands, traces = [], tickets, gangs = [] } = TicketBatch.parse(JSON.parse(data.toString()))
  const gangAt = new Map(gangs.flatMap(({ gang, tickets }) => tickets.map((place) => [place, gang] as const)))
  return tickets.map(([ship, attempt, priority, at, avoidHosts, notBeforeMs, trace], place) => {
    const demand = standingAt(demands, at, `the demand of ${ship}`)
    const traceId = trace === undefined ? undefined : standingAt(traces, trace, `the trace of ${ship}`)
    const gang = gangAt.get(place)
    const ticket = { ship, attempt, priority, demand, avoidHosts, notBeforeMs, ...traced({ traceId }) }
    return gang ? { ...ticket, gang } : ticket
  })
}
