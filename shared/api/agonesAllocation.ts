// Agones' own allocation call, for matchmakers that were written for it: the JSON of its allocation.proto.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Labels } from '../model/name.ts'
import { Annotations, dataKey } from '../model/shipData.ts'
import { examples } from './examples.ts'
import { IdempotencyKey } from './fields.ts'
import { allocators, answer, body, failures, Problem } from './route.ts'

/** As protobuf's JSON has 64-bit numbers: as text, or as they are. */
const Whole = z
  .union([z.int(), z.string().regex(/^-?\d{1,15}$/, 'must be a whole number')])
  .transform(Number)
  .pipe(z.int())
const amount = Whole.pipe(z.int().min(0))
const oneOf = <const T extends readonly [string, ...string[]]>(...names: T) =>
  z
    .union([
      z.enum(names),
      z
        .int()
        .min(0)
        .max(names.length - 1),
    ])
    .transform((one) => (typeof one === 'number' ? (names[one] as T[number]) : (one as T[number])))
const few = <T extends z.ZodType>(value: T) =>
  z.record(dataKey, value).refine((all) => Object.keys(all).length <= 16, 'at most 16')

const range = { minAvailable: amount.optional(), maxAvailable: amount.optional() }

const AgonesSelector = z.object({
  matchLabels: Labels.default({}).describe('`agones.dev/fleet` names the fleet'),
  gameServerState: oneOf('READY', 'ALLOCATED').default('READY'),
  counters: few(z.object({ ...range, minCount: amount.optional(), maxCount: amount.optional() })).default({}),
  lists: few(z.object({ ...range, containsValue: z.string().max(256).optional() })).default({}),
})
export type AgonesSelector = z.infer<typeof AgonesSelector>

const MetaPatch = z.object({ labels: Labels.default({}), annotations: Annotations.default({}) })

export const AgonesRequest = z
  .object({
    namespace: z.string().max(63).optional().describe('Anything: there is one'),
    multiClusterSetting: z.object({ enabled: z.literal(false).optional() }).optional(),
    gameServerSelectors: z.array(AgonesSelector).max(8).default([]),
    requiredGameServerSelector: AgonesSelector.optional().describe('When there are no `gameServerSelectors`'),
    preferredGameServerSelectors: z.array(AgonesSelector).max(7).default([]),
    scheduling: oneOf('Packed', 'Distributed').default('Packed'),
    metadata: MetaPatch.optional(),
    metaPatch: MetaPatch.optional().describe('The older name of `metadata`'),
    priorities: z
      .array(
        z.object({
          type: oneOf('Counter', 'List').default('Counter'),
          key: dataKey,
          order: oneOf('Ascending', 'Descending').default('Ascending'),
        }),
      )
      .max(4)
      .default([]),
    counters: few(
      z.object({
        action: z.enum(['Increment', 'Decrement']).optional(),
        amount: amount.optional(),
        capacity: amount.optional(),
      }),
    ).default({}),
    lists: few(
      z.object({
        addValues: z.array(z.string().max(256)).max(100).default([]),
        deleteValues: z.array(z.string().max(256)).max(100).default([]),
        capacity: amount.pipe(z.int().max(1_000)).optional(),
      }),
    ).default({}),
  })
  .meta({ id: 'AgonesAllocationRequest' })
export type AgonesRequest = z.infer<typeof AgonesRequest>

const texts = z.record(z.string(), z.string())

export const AgonesResponse = z
  .strictObject({
    gameServerName: z.string(),
    ports: z.array(z.strictObject({ name: z.string(), port: z.int() })),
    address: z.string(),
    addresses: z.array(z.strictObject({ type: z.string(), address: z.string() })),
    nodeName: z.string(),
    source: z.string(),
    metadata: z.strictObject({ labels: texts, annotations: texts }),
    counters: z.record(z.string(), z.strictObject({ count: z.string(), capacity: z.string() })),
    lists: z.record(z.string(), z.strictObject({ values: z.array(z.string()), capacity: z.string() })),
  })
  .meta({ id: 'AgonesAllocationResponse' })
export type AgonesResponse = z.infer<typeof AgonesResponse>

export const AgonesStatus = z
  .strictObject({
    code: z.literal(8),
    message: z.string(),
    details: z.array(z.string()).max(0),
    status: z.literal(429),
    detail: z.string().describe('What stands in the way of each ship'),
  })
  .meta({ id: 'AgonesStatus' })

export const allocateAsAgones = createRoute({
  method: 'post',
  path: '/gameserverallocation',
  tags: ['allocations'],
  'x-roles': allocators,
  'x-scope': 'fleet',
  summary: "Take a ship, in the words of Agones' allocator",
  description:
    "Matchmakers that speak REST to Agones' allocator need another address and a bearer token in place of a client certificate. Unlike there, a capacity that does not suffice is never passed over: the ship is not taken. The allocation's id is the annotation `armada/allocation`.",
  request: {
    headers: z.object({ 'idempotency-key': IdempotencyKey.optional() }),
    body: body(AgonesRequest, {
      gameServerSelectors: [{ matchLabels: { 'agones.dev/fleet': 'lobby' } }],
      metadata: { labels: { match: 'final' } },
    }),
  },
  responses: {
    200: answer(AgonesResponse, 'The ship', {
      ...{ gameServerName: examples.ship.id, ports: [{ name: 'game', port: 7_025 }], address: '203.0.113.7' },
      ...{ addresses: [{ type: 'ExternalIP', address: '203.0.113.7' }], nodeName: 'fra-07', source: 'local' },
      metadata: {
        labels: { mode: 'duel', match: 'final', 'agones.dev/fleet': 'lobby' },
        annotations: { 'armada/allocation': examples.allocation.id },
      },
      ...{ counters: {}, lists: {} },
    }),
    ...failures('key_reused'),
    429: {
      description: 'No ship is free, as Agones says it (RESOURCE_EXHAUSTED)',
      content: {
        'application/json': {
          schema: AgonesStatus,
          example: {
            ...{ code: 8, message: 'there is no available GameServer to allocate', details: [], status: 429 },
            detail: 'No ship is free. Of those asked for, 20 of fleet "lobby": Allocated.',
          },
        },
        'application/problem+json': { schema: Problem },
      },
    },
  },
})
