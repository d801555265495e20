// Agones' own allocation call, for matchmakers that were written for it: the JSON of its allocation.proto.
//
// Unlike there, a field that nobody knows is refused: without what it was to say the request might get any ship.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { type ProblemCode, problems } from '../errors.ts'
import { Labels } from '../model/name.ts'
import { Annotations, dataKey } from '../model/shipData.ts'
import { examples } from './examples.ts'
import { IdempotencyKey } from './fields.ts'
import { allocators, answer, body, everywhere } from './route.ts'

/** Where Agones' allocator has it: the one path for people that is not below `/v1`. */
export const agonesPath = '/gameserverallocation'

/** A message of protobuf in JSON: a field that is null is not there. */
const message = <T extends z.ZodRawShape>(fields: T) => z.preprocess(withoutNulls, z.strictObject(fields))

function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null))
}

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

const mostSelectors = 32
const range = { minAvailable: amount.optional(), maxAvailable: amount.optional() }
const noPlayers = z.literal([0, '0'], 'is not supported: say it by counters or lists').optional()

const AgonesSelector = message({
  matchLabels: Labels.default({}).describe('`agones.dev/fleet` names the fleet'),
  gameServerState: oneOf('READY', 'ALLOCATED').default('READY'),
  counters: few(message({ ...range, minCount: amount.optional(), maxCount: amount.optional() })).default({}),
  lists: few(message({ ...range, containsValue: z.string().max(256).optional() })).default({}),
  players: message({ minAvailable: noPlayers, maxAvailable: noPlayers })
    .optional()
    .describe("Agones' alpha: only without a limit. Say it by `counters` or `lists`"),
})
export type AgonesSelector = z.infer<typeof AgonesSelector>

const MetaPatch = message({ labels: Labels.default({}), annotations: Annotations.default({}) })

export const AgonesRequest = message({
  namespace: z.string().max(63).optional().describe('Anything: there is one'),
  multiClusterSetting: message({
    enabled: z.literal(false).optional(),
    policySelector: z.unknown().optional(),
  }).optional(),
  gameServerSelectors: z.array(AgonesSelector).max(mostSelectors).default([]),
  requiredGameServerSelector: AgonesSelector.optional().describe('When there are no `gameServerSelectors`'),
  preferredGameServerSelectors: z.array(AgonesSelector).max(mostSelectors).default([]),
  scheduling: oneOf('Packed', 'Distributed').default('Packed'),
  metadata: MetaPatch.optional(),
  metaPatch: MetaPatch.optional().describe('The older name of `metadata`'),
  priorities: z
    .array(
      message({
        type: oneOf('Counter', 'List').default('Counter'),
        key: dataKey,
        order: oneOf('Ascending', 'Descending').default('Ascending'),
      }),
    )
    .max(4)
    .default([]),
  counters: few(
    message({
      action: z.enum(['Increment', 'Decrement']).optional(),
      amount: amount.optional(),
      capacity: amount.optional(),
    }),
  ).default({}),
  lists: few(
    message({
      addValues: z.array(z.string().max(256)).max(100).default([]),
      deleteValues: z.array(z.string().max(256)).max(100).default([]),
      capacity: amount.pipe(z.int().max(1_000)).optional(),
    }),
  ).default({}),
}).meta({ id: 'AgonesAllocationRequest' })
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
    code: z.int().describe('Of gRPC'),
    message: z.string(),
    details: z.array(z.string()).max(0),
    status: z.int().describe('Of HTTP'),
    detail: z.string().describe('What happened and what to do; what stands in the way of each ship'),
  })
  .meta({ id: 'AgonesStatus' })
export type AgonesStatus = z.infer<typeof AgonesStatus>

/** HTTP -> gRPC */
export const grpcCodes: Readonly<Record<(typeof problems)[ProblemCode]['status'], number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  405: 12,
  408: 4,
  409: 10,
  412: 9,
  413: 3,
  415: 3,
  422: 9,
  429: 8,
  431: 3,
  500: 13,
  503: 14,
}

/** The same problems as everywhere, as the gateway of Agones' allocator would tell them. */
function statuses(...codes: readonly ProblemCode[]): Record<never, never> {
  const all = [...everywhere, ...codes].map((code) => {
    const { status, title } = problems[code]
    const example = { code: grpcCodes[status], message: title, details: [], status, detail: title }
    return [status, { description: `${code}: ${title}`, ...content(example) }]
  })
  return Object.fromEntries(all)
}

function content(example: AgonesStatus) {
  return { content: { 'application/json': { schema: AgonesStatus, example } } }
}

export const allocateAsAgones = createRoute({
  method: 'post',
  path: agonesPath,
  tags: ['allocations'],
  'x-roles': allocators,
  'x-scope': 'fleet',
  summary: "Take a ship, in the words of Agones' allocator",
  description:
    "Matchmakers that speak REST to Agones' allocator need another address and a bearer token in place of a client certificate. Unlike there, a capacity that does not suffice is never passed over: the ship is not taken; and a field that is unknown is refused. Labels, annotations and the number of selectors have Armada's limits. What goes wrong is told as there: `code` is gRPC's. The allocation's id is the annotation `armada/allocation`.",
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
    ...statuses('none_free', 'key_reused', 'conflict', 'body_too_large', 'unsupported_media_type'),
  },
})
