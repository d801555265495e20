// Word: one thing that a ship says through its SDK, and what the ship is told of itself.
import { z } from 'zod'
import { Labels, Name } from './name.ts'
import { Port } from './port.ts'
import { Annotations, Counters, Lists } from './shipData.ts'
import { ShipState } from './shipState.ts'

/** Labels and annotations that a ship gives itself begin with this, as Agones has it: it cannot touch others. */
export const ownPrefix = 'agones.dev/sdk-'

const name = z.string().max(63)
const whole = z.int()
const pair = { key: z.string().max(63), value: z.string().max(4_096) }

export const Word = z.discriminatedUnion('say', [
  z.strictObject({ say: z.literal('ready') }),
  z.strictObject({ say: z.literal('allocate') }),
  z
    .strictObject({ say: z.literal('reserve'), seconds: whole.min(0).max(31_536_000) })
    .describe('0: until it says otherwise'),
  z
    .strictObject({ say: z.literal('expire'), until: z.iso.datetime() })
    .describe('The reservation with this end is over: Ready again'),
  z.strictObject({ say: z.literal('shutdown') }),
  z.strictObject({ say: z.literal('label'), ...pair }),
  z.strictObject({ say: z.literal('annotation'), ...pair }),
  z
    .strictObject({
      say: z.literal('counter'),
      name,
      count: whole.optional(),
      capacity: whole.optional(),
      add: whole.optional().describe('Added to the count; less than 0 is taken away'),
    })
    .describe('First the capacity, then the count, then what is added'),
  z.strictObject({
    say: z.literal('list'),
    name,
    capacity: whole.optional(),
    values: z.array(z.string().max(256)).max(1_000).optional(),
  }),
  z.strictObject({ say: z.literal('append'), name, value: z.string().max(256) }),
  z.strictObject({ say: z.literal('remove'), name, value: z.string().max(256) }),
])
export type Word = z.infer<typeof Word>

export const RefusalCode = z.enum([
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'OUT_OF_RANGE',
])
export type RefusalCode = z.infer<typeof RefusalCode>

export const Refusal = z.strictObject({
  code: RefusalCode.describe('As gRPC names it'),
  detail: z.string(),
})
export type Refusal = z.infer<typeof Refusal>

export const ShipSelf = z.strictObject({
  ship: Name,
  attempt: z.int().min(1),
  revision: z.int().describe('Later pictures have higher ones'),
  state: ShipState,
  fleet: Name.nullable(),
  name: Name.optional(),
  labels: Labels,
  annotations: Annotations,
  counters: Counters,
  lists: Lists,
  address: z.string().nullable(),
  ports: z.array(Port),
  createdAt: z.iso.datetime(),
  reservedUntil: z.iso.datetime().nullable(),
  said: z.int().min(0).describe('Number of the last word that was taken'),
})
/** What a ship is told of itself. */
export type ShipSelf = z.infer<typeof ShipSelf>
