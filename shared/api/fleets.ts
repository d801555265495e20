// Routes of fleets: N ships of one blueprint, kept at N.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Autoscale } from '../model/autoscale.ts'
import { fieldSelector } from '../model/fieldSelector.ts'
import { Fleet, FleetView } from '../model/fleet.ts'
import { LabelSelector } from '../model/labelSelector.ts'
import { Labels, Name, PrefixName } from '../model/name.ts'
import { Overflow } from '../model/overflow.ts'
import { RolloutState, Strategy } from '../model/rollout.ts'
import { fleetFields } from '../model/selectable.ts'
import { examples } from './examples.ts'
import { Epoch, IfMatch, LabelPatch, NextCursor, Paging, Watch, watchAbout } from './fields.ts'
import { answer, body, failures, operators, readers, runners, streams } from './route.ts'

const tags = ['fleets']
const params = z.object({ fleet: PrefixName })

const Revision = z.union([z.int().min(1), z.literal('latest')])

export const FleetRequest = z.strictObject({
  name: PrefixName,
  blueprint: PrefixName,
  revision: Revision.optional().describe(
    'Default: the latest at this time. "latest": also every later one, as soon as it is published',
  ),
  replicas: Fleet.shape.replicas
    .optional()
    .describe('Ships to keep (1); with `autoscale` those to begin with, by default as few as it allows'),
  autoscale: Autoscale.optional().describe('Decides the replicas from then on; default: people do'),
  naming: Fleet.shape.naming,
  labels: Labels.default({}).describe("Added to the blueprint's labels"),
  priority: Fleet.shape.priority.default(50),
  strategy: Strategy.optional(),
  overflow: Overflow.optional(),
})
export type FleetRequest = z.infer<typeof FleetRequest>

export const createFleet = createRoute({
  method: 'post',
  path: '/v1/fleets',
  tags,
  'x-roles': operators,
  'x-scope': 'fleet',
  summary: 'Create a fleet',
  description: 'The same request again answers with the same fleet.',
  request: { body: body(FleetRequest, examples.makeFleet) },
  responses: {
    201: answer(FleetView, 'The fleet; its ships follow', { ...examples.fleet, ships: {}, message: null }),
    ...failures('not_found', 'conflict', 'quota_exceeded'),
  },
})

export const FleetFilter = z.object({
  labelSelector: LabelSelector.optional(),
  fieldSelector: fieldSelector(fleetFields).optional(),
})
/** What narrows a list of fleets. */
export type FleetFilter = z.infer<typeof FleetFilter>

export const listFleets = createRoute({
  method: 'get',
  path: '/v1/fleets',
  tags,
  'x-roles': readers,
  'x-scope': 'fleet',
  summary: 'List fleets by name, or watch them',
  description: `${watchAbout} The numbers of their ships are part of it.`,
  request: { query: FleetFilter.extend({ ...Paging.shape, ...Watch.shape }) },
  responses: {
    200: streams(
      answer(z.strictObject({ fleets: z.array(FleetView), nextCursor: NextCursor }), 'A page of fleets', {
        fleets: [examples.fleet],
        nextCursor: null,
      }),
    ),
    ...failures('too_many_streams'),
  },
})

export const getFleet = createRoute({
  method: 'get',
  path: '/v1/fleets/{fleet}',
  tags,
  'x-roles': readers,
  'x-scope': 'fleet',
  summary: 'Look up a fleet',
  request: { params },
  responses: { 200: answer(FleetView, 'The fleet', examples.fleet), ...failures('not_found') },
})

export const FleetPatch = z
  .strictObject({
    replicas: Fleet.shape.replicas
      .optional()
      .describe('Ships to keep; refused while the fleet is autoscaled, unless `autoscale` is null'),
    autoscale: Autoscale.nullable()
      .optional()
      .describe('Decides the replicas from now on, in place of any before; null: people do again'),
    revision: Revision.optional().describe(
      'Begins a rollout to it. "latest": to the latest, and from now on to every later one',
    ),
    strategy: Strategy.optional(),
    overflow: Overflow.optional().describe('In place of any before; `{}`: nothing is given any more'),
    labels: LabelPatch.optional(),
  })
  .refine(
    (patch) => Object.keys(patch).length > 0,
    'name replicas, autoscale, revision, strategy, overflow or labels',
  )
  .refine(({ replicas, autoscale }) => replicas === undefined || !autoscale, {
    path: ['replicas'],
    message: 'is decided by `autoscale`: leave one of them out',
  })
export type FleetPatch = z.infer<typeof FleetPatch>

export const patchFleet = createRoute({
  method: 'patch',
  path: '/v1/fleets/{fleet}',
  tags,
  'x-roles': operators,
  'x-scope': 'fleet',
  summary: 'Scale a fleet, have it autoscaled, or bring its ships to another revision',
  description:
    'Labels are given to ships as they run, and so is a revision that differs only in labels, placement, `lifecycle.hostLost` and `lifecycle.startAttempts`. One that differs in `resources`, `limits.cpu` and `limits.pids` besides is given in place to ships that run and have room for it; the others are replaced, and `resize.reason` of each says why. `canary` replaces them all.',
  request: {
    params,
    headers: IfMatch,
    body: body(FleetPatch, examples.autoscaleFleet),
  },
  responses: {
    200: answer(FleetView, 'The fleet', examples.scaledFleet),
    ...failures('not_found', 'conflict', 'revision_mismatch', 'quota_exceeded'),
  },
})

export const FleetRollback = z.strictObject({
  revision: z.int().min(1).optional().describe('Default: the one that the last rollout came from'),
})
export type FleetRollback = z.infer<typeof FleetRollback>

export const rollbackFleet = createRoute({
  method: 'post',
  path: '/v1/fleets/{fleet}/rollback',
  tags,
  'x-roles': operators,
  'x-scope': 'fleet',
  summary: 'Bring the ships of a fleet back to an earlier revision',
  description:
    'Without canaries, and in place where a change of the revision would be. A fleet that follows its blueprint stays there until the next revision is published.',
  request: { params, headers: IfMatch, body: body(FleetRollback, { revision: 1 }) },
  responses: {
    200: answer(FleetView, 'The fleet, on its way back', examples.fleetRollingBack),
    ...failures('not_found', 'conflict', 'revision_mismatch'),
  },
})

export const promoteFleet = createRoute({
  method: 'post',
  path: '/v1/fleets/{fleet}/promote',
  tags,
  'x-roles': operators,
  'x-scope': 'fleet',
  summary: 'Let all ships follow the canaries, without waiting longer',
  request: { params, headers: IfMatch },
  responses: {
    200: answer(FleetView, 'The fleet', examples.fleet),
    ...failures('not_found', 'conflict', 'revision_mismatch'),
  },
})

export const pauseRollout = createRoute({
  method: 'post',
  path: '/v1/fleets/{fleet}/pause',
  tags,
  'x-roles': operators,
  'x-scope': 'fleet',
  summary: 'Leave the rollout of a fleet as far as it is',
  description:
    'No ship is exchanged for its sake, no canary is promoted or rolled back, and its deadline ends nothing, until `resume`. The fleet is kept at its replicas: what is missing is made of the revision that the rollout came from, or goes back to. Another rollout, or a rollback, is not paused. A fleet that follows its blueprint stays as well.',
  request: { params, headers: IfMatch },
  responses: {
    200: answer(FleetView, 'The fleet, paused', examples.pausedFleet),
    ...failures('not_found', 'conflict', 'revision_mismatch'),
  },
})

export const resumeRollout = createRoute({
  method: 'post',
  path: '/v1/fleets/{fleet}/resume',
  tags,
  'x-roles': operators,
  'x-scope': 'fleet',
  summary: 'Let a paused rollout go on',
  description: 'Canaries have to do well anew for as long as they should.',
  request: { params, headers: IfMatch },
  responses: {
    200: answer(FleetView, 'The fleet', examples.fleet),
    ...failures('not_found', 'conflict', 'revision_mismatch'),
  },
})

export const deleteFleet = createRoute({
  method: 'delete',
  path: '/v1/fleets/{fleet}',
  tags,
  'x-roles': operators,
  'x-scope': 'fleet',
  summary: 'Stop all ships of a fleet, then forget it',
  request: { params, headers: IfMatch },
  responses: {
    202: answer(FleetView, 'The fleet, being deleted', { ...examples.fleet, deleting: true }),
    ...failures('not_found', 'revision_mismatch'),
  },
})

const FleetTurn = z
  .strictObject({ to: RolloutState.exclude(['canary']), reason: z.string().max(500) })
  .describe('What comes next in the rollout, and why')

export const FleetStep = z.strictObject({
  epoch: Epoch,
  revision: z
    .string()
    .describe('Of the fleet as the controller saw it: a fleet that has moved on refuses the step'),
  create: z.int().min(0).max(50).describe('Ships to make'),
  of: z.int().min(1).optional().describe('Their revision; default: that of the fleet'),
  stop: z.array(Name).max(100).describe('Ships to stop; one that is Allocated by then is left alone'),
  forget: z.boolean().describe('Delete the record of a fleet without ships'),
  turn: FleetTurn.optional(),
  deadline: z
    .literal(true)
    .optional()
    .describe('Tell ships in use when they end, or that they do not, and end those whose time has come'),
  overflow: z
    .literal(true)
    .optional()
    .describe('Give the overflow to ships in use that are beyond, and take it back from others'),
  relabel: z.literal(true).optional().describe('Give its ships what they are to have as they run'),
  revise: z.int().min(1).optional().describe('Of a fleet that follows: the newest revision, to go to'),
  crashLoop: z
    .string()
    .max(500)
    .nullable()
    .optional()
    .describe('Why ships are made ever more slowly; null: that is over'),
})
export type FleetStep = z.infer<typeof FleetStep>

export const stepFleet = createRoute({
  method: 'post',
  path: '/v1/fleets/{fleet}/steps',
  tags,
  'x-roles': runners,
  summary: 'One step of the fleet controller',
  request: { params, body: body(FleetStep) },
  responses: {
    200: answer(z.strictObject({ created: z.array(Name), stopped: z.array(Name) }), 'What was done'),
    ...failures('not_found', 'stale_epoch', 'revision_mismatch', 'queue_full'),
  },
})
