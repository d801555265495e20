// Routes between the scheduler and the ApiServer.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Explanation, ShipPlacement } from '../model/explanation.ts'
import { Name } from '../model/name.ts'
import { PortChoice } from '../model/port.ts'
import { TraceId } from '../model/traceId.ts'
import { examples } from './examples.ts'
import { Epoch } from './fields.ts'
import { answer, body, failures, readers, runners } from './route.ts'

const attempt = z.int().min(1)
const traceId = TraceId.optional().describe("The ticket's")

const tookMs = z.number().min(0)

export const SchedulerTakeover = z
  .strictObject({
    pictureMs: tookMs.describe('Reading all hosts, from when the office was taken'),
    decisionMs: tookMs.describe('Deciding on the first ships'),
    jobsMs: tookMs.describe('Writing the jobs of those'),
  })
  .describe('Told once by a new leader, when it has placed its first ships')
export type SchedulerTakeover = z.infer<typeof SchedulerTakeover>

export const SchedulerFigures = z.strictObject({
  turnsMs: z.array(tookMs).max(200).describe('Time that each turn since the last report took to decide'),
  takeover: SchedulerTakeover.optional(),
  stranded: z
    .strictObject({ cpu: z.number().min(0).max(1), memory: z.number().min(0).max(1) })
    .optional()
    .describe('Share of all CPU and memory that is free where less is left of the other'),
})
export type SchedulerFigures = z.infer<typeof SchedulerFigures>

export const PlacementReport = z.strictObject({
  epoch: Epoch,
  placed: z
    .array(
      z.strictObject({
        ...{ ship: Name, attempt, host: Name, ports: PortChoice, why: Explanation.optional(), traceId },
        waitedMs: z
          .number()
          .min(0)
          .optional()
          .describe('How long the scheduler held its ticket, when it was due'),
      }),
    )
    .max(2_000)
    .describe('Ships that were put into the box of a host'),
  refused: z
    .array(
      z.strictObject({
        ship: Name,
        attempt,
        reason: z.string().max(1_000),
        why: Explanation.optional(),
        traceId,
      }),
    )
    .max(2_000)
    .describe('Ships that fit nowhere now, and why. Only when the reason is new'),
  waiting: z
    .array(Name)
    .max(100_000)
    .describe('All ships whose tickets the scheduler holds unplaced; it says so at least every 15 s'),
  assumed: z
    .array(z.strictObject({ ship: Name, attempt, host: Name }))
    .max(2_000)
    .default([])
    .describe('Ships that were placed a while ago and that no advice shows: are they there?'),
  missing: z
    .array(Name)
    .max(10_000)
    .default([])
    .describe('Ships that gangs wait for, neither in the queue nor on a host: do they wait for one?'),
  figures: SchedulerFigures.optional(),
})
export type PlacementReport = z.infer<typeof PlacementReport>

export const reportPlacements = createRoute({
  method: 'post',
  path: '/v1/placements',
  tags: ['placements'],
  'x-roles': runners,
  summary: 'Report what the scheduler decided',
  description: 'Entries whose attempt is no longer the current one are passed over and listed as stale.',
  request: { body: body(PlacementReport) },
  responses: {
    200: answer(
      z.strictObject({
        stale: z.array(Name).describe('Ships that have moved on: drop their tickets'),
        gone: z.array(Name).describe('Of `assumed`: this attempt is not on that host and will not be'),
        excused: z.array(Name).describe('Of `missing`: has a host, or needs none any more'),
      }),
      'Recorded',
    ),
    ...failures('stale_epoch'),
  },
})

export const getPlacement = createRoute({
  method: 'get',
  path: '/v1/ships/{ship}/placement',
  tags: ['placements'],
  'x-roles': readers,
  'x-scope': 'fleet',
  summary: 'Why a ship is where it is, or nowhere',
  request: { params: z.object({ ship: Name }) },
  responses: { 200: answer(ShipPlacement, 'Why', examples.placement), ...failures('not_found') },
})
