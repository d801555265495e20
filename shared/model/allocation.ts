// Allocation: a ship, or room on one, handed to one session. What is asked for, and what stands on the ship.
import { z } from 'zod'
import { Labels, Name, PrefixName } from './name.ts'
import { Selector } from './placement.ts'
import { Port } from './port.ts'
import { Annotations, Counters, dataBytes, dataKey, Lists, mostDataBytes } from './shipData.ts'
import { ShipState } from './shipState.ts'

/** The ship's id and five characters: it names its ship. */
export const AllocationId = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,66}[a-z0-9])?-[a-z0-9]{5}$/, 'is not the id of an allocation')

export const mostAllocationsOfShip = 64

/** Key -> what it was before; null: not there. */
const before = z.record(z.string(), z.string().nullable())

export const Allocation = z.strictObject({
  id: AllocationId,
  at: z.iso.datetime(),
  by: Name.describe('Name of the token that took it'),
  leaseUntil: z.iso
    .datetime()
    .nullable()
    .describe('It returns by itself then; null: it was confirmed, or has no lease'),
  undo: z
    .strictObject({
      labels: before.optional(),
      annotations: before.optional(),
      counters: z.record(z.string(), z.int()).optional(),
      lists: z.record(z.string(), z.array(z.string())).optional(),
    })
    .optional()
    .describe('What it gave to the ship, which goes when it ends'),
  there: z
    .strictObject({ players: z.int().min(0), until: z.iso.datetime().nullable() })
    .optional()
    .describe(
      'Players who were there before it, and confirm no lease; after `until` they are taken to have left',
    ),
})
/** As it stands on the record of its ship. */
export type Allocation = z.infer<typeof Allocation>

export const Allocations = z.array(Allocation).max(mostAllocationsOfShip)

const amount = z.int().min(0)
/** By the names of counters or lists. */
export const few = <T extends z.ZodType>(value: T) =>
  z.record(dataKey, value).refine((all) => Object.keys(all).length <= 16, 'at most 16')

const CounterNeed = z.strictObject({
  minAvailable: amount.optional().describe('Capacity less count, at least'),
  maxAvailable: amount.optional(),
  minCount: amount.optional(),
  maxCount: amount.optional(),
})
const ListNeed = z.strictObject({
  minAvailable: amount.optional().describe('Capacity less the number of values, at least'),
  maxAvailable: amount.optional(),
  contains: z.string().max(256).optional().describe('A value that the list has'),
})

export const ShipSelector = z.strictObject({
  fleet: PrefixName.optional(),
  matchLabels: Labels.default({}),
  matchExpressions: z.array(Selector).max(16).default([]).describe('All of them must hold'),
  state: z
    .enum(['Ready', 'Allocated'])
    .default('Ready')
    .describe('Allocated: room on a ship that has sessions already, as a counter or list tells it'),
  counters: few(CounterNeed).default({}).describe('A ship that has not declared the counter does not match'),
  lists: few(ListNeed).default({}).describe('A ship that has not declared the list does not match'),
})
export type ShipSelector = z.infer<typeof ShipSelector>

const Priority = z.strictObject({
  type: z.enum(['counter', 'list']),
  key: dataKey,
  order: z
    .enum(['ascending', 'descending'])
    .default('ascending')
    .describe('ascending: those with the least room first'),
})

export const CounterAction = z.strictObject({
  add: z
    .int()
    .min(-1_000_000_000)
    .max(1_000_000_000)
    .optional()
    .describe('Added to the count; less than 0: taken away'),
  capacity: amount.optional().describe('Set first'),
})
export const ListAction = z.strictObject({
  append: z.array(z.string().max(256)).max(100).default([]),
  remove: z
    .array(z.string().max(256))
    .max(100)
    .default([])
    .describe('Values that are not there are no error'),
  capacity: amount.max(1_000).optional().describe('Set first'),
})

export const mostAtOnce = 50

export const AllocationRequest = z
  .strictObject({
    selectors: z
      .array(ShipSelector)
      .min(1)
      .max(8)
      .prefault([{}])
      .describe(
        'In their order: ships of the second are taken only when the first has none; `[{}]`: any ship',
      ),
    strategy: z
      .enum(['packed', 'distributed'])
      .default('packed')
      .describe('packed: on hosts with the most ships in use, so that others empty; distributed: the fewest'),
    priorities: z.array(Priority).max(4).default([]).describe('Go before the strategy'),
    count: z
      .int()
      .min(1)
      .max(mostAtOnce)
      .default(1)
      .describe('So many different ships at once, or none at all'),
    labels: Labels.default({}).describe('Given to the ship for as long as it is allocated'),
    annotations: Annotations.default({}).describe(
      'Given to the ship for as long as it is allocated; its SDK sees them',
    ),
    counters: few(CounterAction)
      .default({})
      .describe('Changes of counters. A ship whose capacity they pass is not taken'),
    lists: few(ListAction)
      .default({})
      .describe('Changes of lists. A ship whose capacity they pass is not taken'),
    waitSeconds: z
      .int()
      .min(0)
      .max(60)
      .default(0)
      .describe(
        'How long to wait for a ship, or for room on one, when none is free. Whoever came first is first; of several ships none is kept for a request until there are enough',
      ),
    leaseSeconds: z
      .int()
      .min(1)
      .max(86_400)
      .optional()
      .describe(
        'It returns by itself unless it is confirmed in that time: by POST …/confirm, by the SDK of the ship, or by its first player: one more than were there before',
      ),
    reserve: z
      .boolean()
      .default(false)
      .describe('The ship is Reserved for the time of the lease, and Allocated when that is confirmed'),
  })
  .superRefine((request, context) => {
    const { selectors, counters, lists, reserve, leaseSeconds } = request
    if (reserve && leaseSeconds === undefined) {
      const message = 'a reservation ends by itself: say when'
      context.addIssue({ code: 'custom', path: ['leaseSeconds'], message })
    }
    const acts = Object.keys(counters).length + Object.keys(lists).length > 0
    for (const [i, selector] of selectors.entries()) {
      if (selector.state !== 'Allocated') continue
      const needs = Object.keys(selector.counters).length + Object.keys(selector.lists).length > 0
      if (acts || needs) continue
      const message = 'for ships in use say by `counters` or `lists` what room is'
      context.addIssue({ code: 'custom', path: ['selectors', i, 'state'], message })
    }
    const hopeless = hopelessGift(request)
    if (hopeless) context.addIssue({ code: 'custom', ...hopeless })
    if (JSON.stringify(selectors).length > 16_384)
      context.addIssue({ code: 'custom', path: ['selectors'], message: 'take more than 16 KiB' })
  })
  .meta({ id: 'AllocationRequest' })
export type AllocationRequest = z.infer<typeof AllocationRequest>

/** Which part of what it gives no ship could take, however empty; undefined: there may be one that can. */
export function hopelessGift({
  annotations,
  counters,
  lists,
}: Pick<AllocationRequest, 'annotations' | 'counters' | 'lists'>):
  | { path: string[]; message: string }
  | undefined {
  for (const [name, { add = 0, capacity = add }] of Object.entries(counters))
    if (add > capacity) return { path: ['counters', name, 'add'], message: 'is more than the capacity' }
  for (const [name, { append, capacity = append.length }] of Object.entries(lists))
    if (new Set(append).size > capacity)
      return { path: ['lists', name, 'append'], message: 'are more than the capacity' }
  const undo = { annotations: Object.fromEntries(Object.keys(annotations).map((key) => [key, ''])) }
  const shortest = { id: 'a-00000', at: new Date(0).toISOString(), by: 'a', leaseUntil: null, undo }
  const appended = Object.entries(lists).map(([name, { append }]) => [name, { values: append, capacity: 0 }])
  const bytes = dataBytes({ annotations, lists: Object.fromEntries(appended), allocations: [shortest] })
  if (bytes <= mostDataBytes) return undefined
  const message = `with the lists they take ${bytes} bytes, and all that a ship keeps may take ${mostDataBytes}`
  return { path: ['annotations'], message }
}

/** As much of a request as decides which ships it may take, in which order. */
export interface Want
  extends Pick<AllocationRequest, 'strategy' | 'priorities' | 'counters' | 'lists' | 'reserve'> {
  selector: ShipSelector
  /** Patterns of the fleets that the caller sees; null: all. */
  fleets: readonly string[] | null
}

export const AllocationView = z
  .strictObject({
    id: AllocationId,
    ship: Name,
    fleet: Name.nullable(),
    state: ShipState.describe('Of the ship'),
    host: Name.nullable(),
    address: z.string().nullable().describe("The host's address for players"),
    ports: z.array(Port),
    labels: Labels.describe('Of the ship'),
    annotations: Annotations.describe('Of the ship'),
    counters: Counters.describe('Of the ship'),
    lists: Lists.describe('Of the ship'),
    at: Allocation.shape.at,
    by: Allocation.shape.by,
    leaseUntil: Allocation.shape.leaseUntil,
  })
  .meta({ id: 'Allocation' })
/** An allocation as the API shows it. */
export type AllocationView = z.infer<typeof AllocationView>
