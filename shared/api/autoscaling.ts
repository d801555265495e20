// Routes of the controllers that scale fleets: what their policies go by, and what they decide.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Autoscale, Autoscaling } from '../model/autoscale.ts'
import { Fleet, FleetView } from '../model/fleet.ts'
import { PrefixName } from '../model/name.ts'
import { dataKey } from '../model/shipData.ts'
import { Epoch } from './fields.ts'
import { answer, body, failures, runners } from './route.ts'

const tags = ['controllers']
export const fleetsInCall = 100

export const Measure = z.strictObject({
  used: z.int().min(0),
  capacity: z.int().min(0).describe('Of all ships together, those on their way included'),
  each: z.number().min(0).describe('Of one more ship; 0: nobody has said it yet'),
})
/** How much of something a fleet's ships hold. */
export type Measure = z.infer<typeof Measure>

const sum = z.int().min(0)
const Total = z.strictObject({
  allocatedCount: sum.describe('Of those that are Allocated'),
  allocatedCapacity: sum,
  count: sum.describe('Of a list: its values'),
  capacity: sum,
})
/** A counter or a list, added up over ships. */
export type Total = z.infer<typeof Total>

const Totals = z.strictObject({ counters: z.record(dataKey, Total), lists: z.record(dataKey, Total) })
export type Totals = z.infer<typeof Totals>

export const ScaledFleet = FleetView.pick({ name: true, replicas: true, labels: true, ships: true }).extend({
  autoscale: Autoscale,
  autoscaling: Autoscaling.optional(),
  illInUse: z
    .int()
    .min(0)
    .describe(
      'Of those Unhealthy or Lost, the ships that were in use before, and are again when they are well',
    ),
  waiting: z
    .int()
    .min(0)
    .describe('Ships of it for requests that wait until one is free: one for those that can share it'),
  measures: z
    .record(z.string(), Measure)
    .describe('By `counter:{key}`, `list:{key}` or `players`, as its policies name them'),
  totals: Totals.optional().describe('Of all its ships; only where a policy asks a webhook'),
})
/** What is decided on: one reading of a fleet. */
export type ScaledFleet = z.infer<typeof ScaledFleet>

export const listScaled = createRoute({
  method: 'get',
  path: '/v1/controllers/autoscaling',
  tags,
  'x-roles': runners,
  summary: 'Fleets that a policy scales, with what it goes by',
  request: {
    query: z.object({
      fleets: z
        .string()
        .max(10_000)
        .transform((text) => text.split(','))
        .pipe(z.array(PrefixName).max(fleetsInCall))
        .optional()
        .describe('Only these, separated by commas'),
    }),
  },
  responses: { 200: answer(z.strictObject({ fleets: z.array(ScaledFleet) }), 'The fleets'), ...failures() },
})

export const ScalingDecision = z.strictObject({
  fleet: PrefixName,
  from: Fleet.shape.replicas.describe('Replicas as the controller saw them; passed over when they changed'),
  replicas: Fleet.shape.replicas,
  ...Autoscaling.pick({ wanted: true, why: true }).shape,
})
export type ScalingDecision = z.infer<typeof ScalingDecision>

export const decideScaling = createRoute({
  method: 'post',
  path: '/v1/controllers/autoscaling/decisions',
  tags,
  'x-roles': runners,
  summary: 'Scale fleets as the controllers decided, or say why they stay as they are',
  request: {
    body: body(
      z.strictObject({ epoch: Epoch, decisions: z.array(ScalingDecision).min(1).max(fleetsInCall) }),
    ),
  },
  responses: {
    200: answer(
      z.strictObject({
        done: z.array(PrefixName),
        stale: z.array(PrefixName).describe('Changed by somebody else, or scaled by no policy any more'),
      }),
      'What was done',
    ),
    ...failures('stale_epoch'),
  },
})
