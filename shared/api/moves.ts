// Routes of the controllers: what they see of ships that wait, and what they decide.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { AllocationId } from '../model/allocation.ts'
import { Name } from '../model/name.ts'
import { Ship } from '../model/ship.ts'
import { Epoch } from './fields.ts'
import { answer, body, failures, runners } from './route.ts'

const tags = ['controllers']
/** In ms; ten years are enough for anything. */
const duration = z.coerce.number().int().min(0).max(315_360_000_000)

export const Decision = z.strictObject({
  ship: Name,
  attempt: z.int().min(1).describe('As the controller saw it; passed over when the ship has moved on'),
  to: z
    .enum(['Queued', 'Lost', 'Failed', 'Stopping', 'Stopped', 'Forgotten'])
    .describe(
      'Queued raises the attempt and writes a new ticket; Stopping is for ships that are Ready or Unhealthy; Forgotten deletes the record of a finished ship',
    ),
  reason: z.string().max(1_000),
})
export type Decision = z.infer<typeof Decision>

export const decide = createRoute({
  method: 'post',
  path: '/v1/controllers/decisions',
  tags,
  'x-roles': runners,
  summary: 'Move ships as the controllers decided',
  request: { body: body(z.strictObject({ epoch: Epoch, decisions: z.array(Decision).max(500) })) },
  responses: {
    200: answer(
      z.strictObject({
        moved: z.array(Name),
        stale: z.array(Name).describe('Moved on meanwhile: left alone'),
      }),
      'What was done',
    ),
    ...failures('stale_epoch', 'queue_full'),
  },
})

const HostLostPolicy = z.enum(['replace', 'wait', 'fail'])
const Brief = Ship.pick({ id: true, attempt: true, state: true, host: true, stateSince: true })

export const Watchlist = z.strictObject({
  withoutTicket: z.array(Brief),
  unclaimed: z.array(Brief),
  finished: z.array(Brief),
  lost: z.array(Brief.extend({ policy: HostLostPolicy })),
  aged: z.array(Brief).describe('Ready, and older than lifecycle.maxAgeMs: to be ended now'),
  unwell: z.array(Brief).describe('Unhealthy for longer than lifecycle.unhealthy allows: to be ended now'),
  lapsed: z.array(AllocationId).describe('Allocations whose lease has run out unconfirmed'),
})
export type Watchlist = z.infer<typeof Watchlist>

export const HostShips = z.strictObject({
  lastReportAt: z.iso.datetime().nullable(),
  ships: z.array(Brief.extend({ policy: HostLostPolicy, afterMs: z.int().describe('hostLost.afterMs') })),
})
export type HostShips = z.infer<typeof HostShips>

export const watchlist = createRoute({
  method: 'get',
  path: '/v1/controllers/watchlist',
  tags,
  'x-roles': runners,
  summary: 'Ships that may need a decision',
  request: {
    query: z.object({
      queuedMs: duration.describe('Queued for longer and no scheduler says it holds the ticket'),
      scheduledMs: duration.describe('Scheduled for longer without a claim'),
      finishedMs: duration.describe('Stopped or Failed for longer'),
      limit: z.coerce.number().int().min(1).max(1_000).default(500).describe('Most ships of each kind'),
    }),
  },
  responses: {
    200: answer(Watchlist, 'The ships'),
    ...failures(),
  },
})

export const returnLapsed = createRoute({
  method: 'post',
  path: '/v1/controllers/lapsed',
  tags,
  'x-roles': runners,
  summary: 'Give back allocations that were not confirmed in time',
  description: 'Those that were confirmed meanwhile, or whose time is not over, are left alone.',
  request: { body: body(z.strictObject({ epoch: Epoch, lapsed: z.array(AllocationId).max(500) })) },
  responses: {
    200: answer(z.strictObject({ returned: z.array(AllocationId) }), 'What was given back'),
    ...failures('stale_epoch'),
  },
})

export const hostShips = createRoute({
  method: 'get',
  path: '/v1/controllers/hosts/{host}/ships',
  tags,
  'x-roles': runners,
  summary: 'Ships aboard a host, with what to do when it is lost',
  request: { params: z.object({ host: Name }) },
  responses: {
    200: answer(HostShips, 'The ships'),
    ...failures(),
  },
})

export const crewedHosts = createRoute({
  method: 'get',
  path: '/v1/controllers/hosts',
  tags,
  'x-roles': runners,
  summary: 'Hosts that ships are aboard of, whether or not ZooKeeper knows them',
  responses: { 200: answer(z.strictObject({ hosts: z.array(Name) }), 'The hosts'), ...failures() },
})

export const putNotice = createRoute({
  method: 'put',
  path: '/v1/controllers/notice',
  tags,
  'x-roles': runners,
  summary: 'Say what people should know of the cluster',
  request: {
    body: body(z.strictObject({ epoch: Epoch, stormBrake: z.string().max(500).nullable() })),
  },
  responses: { 200: answer(z.strictObject({ ok: z.literal(true) }), 'Noted'), ...failures('stale_epoch') },
})
