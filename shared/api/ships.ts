// Routes of ships: single gameservers.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { CounterAction, few, ListAction } from '../model/allocation.ts'
import { fieldSelector } from '../model/fieldSelector.ts'
import { mostInGang } from '../model/gang.ts'
import { LabelSelector } from '../model/labelSelector.ts'
import { Labels, Name, PrefixName } from '../model/name.ts'
import { shipFields } from '../model/selectable.ts'
import { ShipView } from '../model/ship.ts'
import { ShipState } from '../model/shipState.ts'
import { examples } from './examples.ts'
import { IdempotencyKey, IfMatch, LabelPatch, NextCursor, Paging, Watch, watchAbout } from './fields.ts'
import { answer, body, failures, operators, readers, streams } from './route.ts'

export const ShipRequest = z
  .strictObject({
    blueprint: PrefixName,
    revision: z.int().min(1).optional().describe('Default: the latest'),
    count: z.int().min(1).max(1_000).default(1).describe('Ships to make'),
    labels: Labels.default({}).describe("Added to the blueprint's labels"),
    priority: z.int().min(0).max(100).default(50).describe('Ships of higher priority are placed first'),
    // Without a default: what a request without it made is found again by its digest.
    gang: z
      .boolean()
      .optional()
      .describe(
        `The ships, 2 to ${mostInGang}, get their hosts in one decision, all or none. Default: each as soon as it fits`,
      ),
  })
  .refine(({ gang, count }) => !gang || (count >= 2 && count <= mostInGang), {
    path: ['count'],
    message: `a gang has 2 to ${mostInGang} ships`,
  })
export type ShipRequest = z.infer<typeof ShipRequest>

const tags = ['ships']
const params = z.object({ ship: Name })

export const createShips = createRoute({
  method: 'post',
  path: '/v1/ships',
  tags,
  'x-roles': operators,
  summary: 'Make one ship or many',
  description:
    'The ships are recorded and queued before the answer. The same Idempotency-Key gives the same ships. A gang is placed once: until there is room for all of its ships all wait, and what is queued again afterwards is placed by itself. One that is stopped while it waits is not waited for.',
  request: {
    headers: z.object({ 'idempotency-key': IdempotencyKey.optional() }),
    body: body(ShipRequest, examples.makeShips),
  },
  responses: {
    201: answer(z.strictObject({ ships: z.array(ShipView) }), 'The ships, Queued', {
      ships: [examples.queued],
    }),
    ...failures('not_found', 'queue_full', 'key_reused', 'conflict', 'quota_exceeded'),
  },
})

export const ShipFilter = z.object({
  state: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(ShipState))
    .optional()
    .describe('One state or several, separated by commas'),
  fleet: PrefixName.optional(),
  name: Name.optional().describe('Of a numbered ship: `lobby-1`'),
  host: Name.optional(),
  blueprint: PrefixName.optional(),
  labelSelector: LabelSelector.optional(),
  fieldSelector: fieldSelector(shipFields).optional(),
})
/** What narrows a list of ships. */
export type ShipFilter = z.infer<typeof ShipFilter>

export const listShips = createRoute({
  method: 'get',
  path: '/v1/ships',
  tags,
  'x-roles': readers,
  'x-scope': 'fleet',
  summary: 'List ships, ordered by id, or watch them',
  description: `${watchAbout} A new sample alone is no change.`,
  request: {
    query: ShipFilter.extend({ ...Paging.shape, ...Watch.shape }),
  },
  responses: {
    200: streams(
      answer(z.strictObject({ ships: z.array(ShipView), nextCursor: NextCursor }), 'A page of ships', {
        ships: [examples.ship],
        nextCursor: null,
      }),
    ),
    ...failures('too_many_streams'),
  },
})

export const getShip = createRoute({
  method: 'get',
  path: '/v1/ships/{ship}',
  tags,
  'x-roles': readers,
  'x-scope': 'fleet',
  summary: 'Look up one ship',
  request: { params },
  responses: { 200: answer(ShipView, 'The ship', examples.ship), ...failures('not_found') },
})

export const ShipPatch = z.strictObject({
  labels: LabelPatch.default({}),
  counters: few(
    CounterAction.extend({ count: z.int().min(0).optional().describe('Set before `add`') }),
  ).default({}),
  lists: few(ListAction).default({}),
  doneBy: z.iso
    .datetime({ offset: true })
    .nullable()
    .optional()
    .describe(
      'When its session will be over, for those who drain its host; kept as its annotation `armada.dev/done-by`. null: nobody knows',
    ),
})

export const patchShip = createRoute({
  method: 'patch',
  path: '/v1/ships/{ship}',
  tags,
  'x-roles': operators,
  'x-scope': 'fleet',
  summary: 'Change the labels, counters and lists of a ship, or say when it will be done',
  description:
    'All of it or nothing, exact also when others change them at the same time. What passes a capacity, or was not declared in the blueprint, is refused. A ship that speaks an SDK sees it at once.',
  request: {
    params,
    headers: IfMatch,
    body: body(ShipPatch, {
      ...{ labels: { match: 'final' }, counters: { rooms: { add: 1 } } },
      doneBy: '2026-11-02T18:40:00Z',
    }),
  },
  responses: {
    200: answer(ShipView, 'The ship', examples.ship),
    ...failures('not_found', 'conflict', 'revision_mismatch'),
  },
})

export const deleteShip = createRoute({
  method: 'delete',
  path: '/v1/ships/{ship}',
  tags,
  'x-roles': operators,
  'x-scope': 'fleet',
  summary: 'Stop a ship',
  description: 'SIGTERM, the grace of its blueprint, then SIGKILL. A ship that has ended stays as it is.',
  request: { params, headers: IfMatch },
  responses: {
    202: answer(ShipView, 'The ship, Stopping or ended', {
      ...examples.ship,
      state: 'Stopping',
      reason: 'stopped by admin',
    }),
    ...failures('not_found', 'conflict', 'revision_mismatch'),
  },
})
