// Routes of the MonitorService: the only ones a host's agent uses.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Grant } from '../model/grant.ts'
import { Holding } from '../model/holding.ts'
import { HostDescription, HostSample } from '../model/host.ts'
import { PullEnd, PullOrder } from '../model/imagePull.ts'
import { Name } from '../model/name.ts'
import { PortChoice } from '../model/port.ts'
import { ResizeNumber } from '../model/resize.ts'
import { Chunk, ChunkAnswer, SessionId } from '../model/session.ts'
import { ShipExit, ShipSample } from '../model/ship.ts'
import { TraceId } from '../model/traceId.ts'
import { Refusal, ShipSelf, Word } from '../model/word.ts'
import { IdempotencyKey } from './fields.ts'
import { answer, anyone, body, failures, hosts } from './route.ts'

/** The one route of the API that needs no token. */
export const joinPath = '/v1/monitor/join'

const tags = ['monitor']
const attempt = z.int().min(1)
/** With registry and tag or digest, as Docker lists it: longer than what a blueprint says. */
const WholeReference = z.string().min(1).max(512)
const ShipAttempt = z.strictObject({ ship: Name, attempt })

export const join = createRoute({
  method: 'post',
  path: joinPath,
  tags,
  'x-roles': anyone,
  summary: 'Exchange a one-time join token for a host credential',
  request: { body: body(z.strictObject({ token: z.string().min(1).max(256), host: HostDescription })) },
  responses: {
    201: answer(z.strictObject({ credential: z.string().describe('Bearer token of this host') }), 'Joined'),
    ...failures('conflict'),
  },
})

export const renewCredential = createRoute({
  method: 'post',
  path: '/v1/monitor/credential',
  tags,
  'x-roles': hosts,
  summary: 'Get the next credential of this host',
  description:
    'The credential that asks is good until the next one is first used, and for a minute more. Asked again, another one is made, and one that was never used is no good any more; with the same Idempotency-Key it is the same.',
  request: { headers: z.object({ 'idempotency-key': IdempotencyKey.optional() }) },
  responses: {
    200: answer(
      z.strictObject({ credential: z.string().describe('Keep it before using it') }),
      'The next one',
    ),
    ...failures('not_found'),
  },
})

export const hello = createRoute({
  method: 'post',
  path: '/v1/monitor/hello',
  tags,
  'x-roles': hosts,
  summary: 'Say what this host is and which ships it carries; learn which it should carry',
  description:
    'Asked at every start of the agent, after every reconnection of its stream and at every `resync` event.',
  request: { body: body(z.strictObject({ host: HostDescription, ships: z.array(ShipAttempt).max(5_000) })) },
  responses: {
    200: answer(
      z.strictObject({
        wanted: z
          .array(Grant)
          .describe(
            'Ships that belong here. State Stopping: stop it. Starting: start it if there is no container',
          ),
        strays: z
          .array(ShipAttempt)
          .describe('Ships that were listed and do not belong here (any more): stop them'),
      }),
      'What should be on this host',
    ),
    ...failures(),
  },
})

export const claim = createRoute({
  method: 'post',
  path: '/v1/monitor/claims',
  tags,
  'x-roles': hosts,
  summary: 'Claim ships before starting them',
  description: 'The same host asking again for the same attempt gets the same answer.',
  request: {
    body: body(
      z.strictObject({
        claims: z.array(ShipAttempt.extend({ ports: PortChoice, traceId: TraceId.optional() })).max(1_000),
      }),
    ),
  },
  responses: {
    200: answer(
      z.strictObject({
        granted: z.array(Grant),
        refused: z.array(ShipAttempt.extend({ reason: z.string() })).describe('Not yours: drop the job'),
      }),
      'The answers',
    ),
    ...failures(),
  },
})

const Change = ShipAttempt.extend({
  traceId: TraceId.optional().describe('Of the request that made the ship, or changed it last'),
})

export const ShipReport = z.discriminatedUnion('state', [
  Change.extend({
    state: z.literal('Starting'),
    reason: z.string().max(1_000).nullable().describe('How far its image is pulled; null: it is here'),
  }),
  Change.extend({ state: z.literal('Ready') }),
  Change.extend({ state: z.literal('Unhealthy'), reason: z.string().max(1_000) }),
  Change.extend({
    state: z.literal('Stopping'),
    reason: z.string().max(1_000).describe('What keeps it from ending'),
  }),
  Change.extend({
    state: z.literal('Stopped'),
    reason: z.string().max(1_000),
    exit: ShipExit.nullable(),
  }),
  Change.extend({
    state: z.literal('Failed'),
    reason: z.string().max(1_000),
    exit: ShipExit.nullable(),
  }),
  Change.extend({
    state: z.literal('Returned'),
    reason: z.string().max(1_000),
    fault: z.boolean().describe('The start failed: counts as a failed start and this host is avoided'),
    exit: ShipExit.nullable(),
  }).describe('Given back: queued again with the next attempt, or Failed when its attempts are used up'),
])
/** A change of a ship's state, as its agent saw it. */
export type ShipReport = z.infer<typeof ShipReport>
export type ShipEnd = Extract<ShipReport, { exit: unknown }>

/** The ship has left its host. */
export function isFinal(report: ShipReport): report is ShipEnd {
  return 'exit' in report
}

const ShipResized = ShipAttempt.extend({
  n: ResizeNumber,
  refused: z.string().max(500).nullable().describe('Why it keeps the limits it had; null: it has the others'),
})
/** What became of a change of a running ship's limits. */
export type ShipResized = z.infer<typeof ShipResized>

export const report = createRoute({
  method: 'post',
  path: '/v1/monitor/reports',
  tags,
  'x-roles': hosts,
  summary: 'Report state changes and measurements',
  description: 'At once when a state changes, else every few seconds. Repeating a report changes nothing.',
  request: {
    body: body(
      z.strictObject({
        changes: z.array(ShipReport).max(1_000),
        holdings: z
          .array(Holding)
          .max(2_500)
          .nullable()
          .describe('All ships aboard; null when neither they nor `host.degraded` changed'),
        left: z
          .array(ShipAttempt)
          .max(5_000)
          .default([])
          .describe('Ships that were aboard and are not any more, since the last report that was taken'),
        anew: z
          .boolean()
          .default(true)
          .describe(
            'The agent cannot tell what earlier reports said: the holdings are compared with the advice',
          ),
        host: HostSample.omit({ clockSkewMs: true }).nullable(),
        sentAtEpochMs: z.int().optional().describe('By the clock of the host'),
        ships: z.array(ShipSample).max(5_000),
        resized: z
          .array(ShipResized)
          .max(1_000)
          .default([])
          .describe('What became of changes of the limits of running ships'),
        pulls: z
          .array(PullEnd)
          .max(100)
          .optional()
          .describe('What became of images it was told to pull; left out by agents that do not pull ahead'),
      }),
    ),
  },
  responses: {
    200: answer(
      z.strictObject({
        stale: z.array(ShipAttempt).describe('Not yours any more: stop them'),
        resendHoldings: z
          .boolean()
          .describe('The holdings could not be passed on: send them with the next report'),
        resendPulls: z.boolean().describe('What became of pulls could not be recorded: send it again'),
        pulls: z.array(PullOrder).describe('Images to pull ahead of ships, until their ends are reported'),
      }),
      'Recorded',
    ),
    ...failures(),
  },
})

export const tell = createRoute({
  method: 'post',
  path: '/v1/monitor/ships/{ship}/words',
  tags,
  'x-roles': hosts,
  summary: 'Pass on what a ship said through its SDK',
  description:
    'Words are taken in order, each once: those whose number was taken already are passed over, so that the same request may be sent again. The first that is refused changes nothing and ends the request; the ones after it were not looked at. Without words it is a question: what is the ship now?',
  request: {
    params: z.object({ ship: Name }),
    body: body(
      z.strictObject({
        attempt,
        first: z.int().min(1).describe('Number of the first word; each one after it has the next number'),
        words: z.array(Word).max(100),
      }),
    ),
  },
  responses: {
    200: answer(
      z.strictObject({
        taken: z.int().min(0).describe('Words from the first on that are in effect'),
        refused: Refusal.nullable().describe('Why the word after those is not'),
        self: ShipSelf.describe('The ship as it is then'),
      }),
      'In effect, and durable',
    ),
    ...failures('not_found', 'conflict'),
  },
})

export const leftovers = createRoute({
  method: 'post',
  path: '/v1/monitor/leftovers',
  tags,
  'x-roles': hosts,
  summary: 'Ask which ships, and which names of numbered ships, will not come back to this host',
  description: 'What they kept there may be removed.',
  request: { body: body(z.strictObject({ ships: z.array(Name).max(1_000) })) },
  responses: {
    200: answer(
      z.strictObject({ over: z.array(Name).describe('Ended or forgotten, or at home on another host') }),
      'Those that need nothing here',
    ),
    ...failures(),
  },
})

export const images = createRoute({
  method: 'post',
  path: '/v1/monitor/images',
  tags,
  'x-roles': hosts,
  summary: 'Ask which images have to stay on this host',
  description:
    'Before some are removed to make room: those of ships that have not ended, of fleets and of image pulls stay.',
  request: { body: body(z.strictObject({ images: z.array(WholeReference).max(1_000) })) },
  responses: {
    200: answer(
      z.strictObject({ needed: z.array(WholeReference).describe('Of those that were asked for') }),
      'Those that are needed',
    ),
    ...failures(),
  },
})

export const stream = createRoute({
  method: 'get',
  path: '/v1/monitor/stream',
  tags,
  'x-roles': hosts,
  summary: 'Server-sent events for the agent',
  description:
    'Event `resync`: say hello again; its data, if any, is the revision that the answer has to show, to be sent as `X-Armada-Min-Revision`. Event `session`: somebody wants to read what a ship prints, or to write to its console. Event `ship`: a ship that speaks an SDK has changed, as JSON. Event `ping` every 10 s: the stream is alive.',
  responses: {
    200: { description: 'The stream', content: { 'text/event-stream': { schema: z.string() } } },
    ...failures(),
  },
})

export const output = createRoute({
  method: 'post',
  path: '/v1/monitor/sessions/{session}',
  tags,
  'x-roles': hosts,
  summary: 'Pass on what a ship printed',
  description:
    'To whoever called with this session; when nobody listens any more, the answer is 404 and the session is over. An empty chunk every 2 s says that the agent is there.',
  request: { params: z.object({ session: SessionId }), body: body(Chunk) },
  responses: { 200: answer(ChunkAnswer, 'Passed on'), ...failures('not_found') },
})
