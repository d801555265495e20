// Routes of allocations: ships handed to sessions, confirmed and given back.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { AllocationId, AllocationRequest, AllocationView } from '../model/allocation.ts'
import { Name, PrefixName } from '../model/name.ts'
import { ShipState } from '../model/shipState.ts'
import { examples } from './examples.ts'
import { IdempotencyKey, NextCursor, Paging } from './fields.ts'
import { allocators, answer, body, failures, readers } from './route.ts'

const tags = ['allocations']
const params = z.object({ allocation: AllocationId })

export const createAllocations = createRoute({
  method: 'post',
  path: '/v1/allocations',
  tags,
  'x-roles': allocators,
  'x-scope': 'fleet',
  summary: 'Take a ship, or room on one, for a session',
  description:
    'It is durable before the answer, and nobody else gets the ship. `none_free` is the truth: it was looked for in etcd, and the detail says what stands in the way. Send an Idempotency-Key, or a lease: an answer that gets lost then leaves no ship allocated for ever. Ships on hosts that are drained are not taken, those on cordoned or silent hosts only when there is nothing else. Stands in the events of the ship and not in the audit log.',
  request: {
    headers: z.object({ 'idempotency-key': IdempotencyKey.optional() }),
    body: body(AllocationRequest, examples.allocate),
  },
  responses: {
    201: answer(
      z.strictObject({ allocations: z.array(AllocationView) }),
      'The ships, as many as were asked for',
      { allocations: [examples.allocation] },
    ),
    ...failures('none_free', 'key_reused'),
  },
})

export const AllocationFilter = z.object({
  fleet: PrefixName.optional(),
  ship: Name.optional(),
  by: Name.optional().describe('Name of the token that took it'),
})
export type AllocationFilter = z.infer<typeof AllocationFilter>

export const listAllocations = createRoute({
  method: 'get',
  path: '/v1/allocations',
  tags,
  'x-roles': readers,
  'x-scope': 'fleet',
  summary: 'List allocations, ordered by ship',
  description: 'Those that have ended are in the events of their ships.',
  request: { query: AllocationFilter.extend(Paging.shape) },
  responses: {
    200: answer(
      z.strictObject({ allocations: z.array(AllocationView), nextCursor: NextCursor }),
      'A page of allocations',
      { allocations: [examples.allocation], nextCursor: null },
    ),
    ...failures(),
  },
})

export const getAllocation = createRoute({
  method: 'get',
  path: '/v1/allocations/{allocation}',
  tags,
  'x-roles': readers,
  'x-scope': 'fleet',
  summary: 'Look up one allocation',
  request: { params },
  responses: { 200: answer(AllocationView, 'The allocation', examples.allocation), ...failures('not_found') },
})

export const confirmAllocation = createRoute({
  method: 'post',
  path: '/v1/allocations/{allocation}/confirm',
  tags,
  'x-roles': allocators,
  'x-scope': 'fleet',
  summary: 'Confirm a lease: the allocation no longer returns by itself',
  description: 'A reserved ship is Allocated from then on. Again, or without a lease, it changes nothing.',
  request: { params },
  responses: {
    200: answer(AllocationView, 'The allocation', { ...examples.allocation, leaseUntil: null }),
    ...failures('not_found'),
  },
})

const Returned = z
  .strictObject({ id: AllocationId, ship: Name, state: ShipState.describe('Of the ship from now on') })
  .meta({ id: 'ReturnedAllocation' })

export const deleteAllocation = createRoute({
  method: 'delete',
  path: '/v1/allocations/{allocation}',
  tags,
  'x-roles': allocators,
  'x-scope': 'fleet',
  summary: 'Give an allocation back',
  description:
    'What it gave to the ship goes with it: labels, annotations, what it added to counters and lists, but for what the ship has counted down itself. With its last allocation the ship is Ready again, or stops, as `afterUse` or else `lifecycle.afterUse` of its blueprint says.',
  request: {
    params,
    query: z.object({
      afterUse: z
        .enum(['ready', 'stop'])
        .optional()
        .describe('What becomes of the ship when nobody else has it'),
    }),
  },
  responses: {
    200: answer(Returned, 'It has ended', {
      ...{ id: examples.allocation.id, ship: examples.allocation.ship, state: 'Ready' },
    }),
    ...failures('not_found'),
  },
})
