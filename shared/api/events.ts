// Routes of events: what happened to ships and fleets, as history and as a stream.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { ArmadaEvent, PastEvent } from '../model/event.ts'
import { Name, PrefixName } from '../model/name.ts'
import { examples } from './examples.ts'
import { EventId, Limit, Watch } from './fields.ts'
import { answer, failures, readers, streams } from './route.ts'

const tags = ['events']

export const listEvents = createRoute({
  method: 'get',
  path: '/v1/events',
  tags,
  'x-roles': readers,
  'x-scope': 'fleet',
  summary: 'What happened lately, newest first, or as a stream',
  description: `\`?watch=true\` streams server-sent events: \`event\` with an event of this API as data; \`bookmark\` at the beginning
and every 10 s, which says how far everything was told; \`reset\` when what was missed cannot be told any more: list
again and go on from its id. Come back with the last id you saw, as the header \`Last-Event-ID\` or \`?lastEventId=\`, to
any ApiServer: each event is told exactly once, in order for each ship, as long as etcd has not been compacted.`,
  request: {
    query: z.object({
      ship: Name.optional(),
      fleet: PrefixName.optional().describe('Events of the fleet and of its ships'),
      type: z
        .string()
        .max(512)
        .transform((text) => text.split(','))
        .pipe(z.array(ArmadaEvent.shape.type))
        .optional()
        .describe('One type or several, separated by commas'),
      since: EventId.optional().describe('Only later events'),
      before: EventId.optional().describe('Only earlier events: `nextBefore` of the page before'),
      limit: Limit,
      ...Watch.shape,
    }),
  },
  responses: {
    200: streams(
      answer(
        z.strictObject({
          events: z.array(ArmadaEvent),
          nextBefore: EventId.nullable().describe(
            'Pass it as `before` to get older ones; null: none are known',
          ),
          position: EventId.describe('Pass it as `lastEventId` to be told everything that follows'),
        }),
        'Events',
        { events: [examples.event], nextBefore: null, position: '4711' },
      ),
    ),
    ...failures('too_many_streams'),
  },
})

const history = z.strictObject({ events: z.array(PastEvent).describe('The last 16, oldest first') })
const { id: _, ...past } = examples.event

export const listShipEvents = createRoute({
  method: 'get',
  path: '/v1/ships/{ship}/events',
  tags,
  'x-roles': readers,
  'x-scope': 'fleet',
  summary: 'What happened to a ship, oldest first',
  description: 'Kept in its record: it is there as long as the ship is known.',
  request: { params: z.object({ ship: Name }) },
  responses: { 200: answer(history, 'The events', { events: [past] }), ...failures('not_found') },
})

export const listFleetEvents = createRoute({
  method: 'get',
  path: '/v1/fleets/{fleet}/events',
  tags,
  'x-roles': readers,
  'x-scope': 'fleet',
  summary: 'What happened to a fleet, oldest first',
  request: { params: z.object({ fleet: PrefixName }) },
  responses: {
    200: answer(history, 'The events', {
      events: [
        {
          ...past,
          ...{ type: 'fleet.scaled', ship: null, attempt: null, state: null, host: null },
          reason: 'from 20 to 25 by admin',
        },
      ],
    }),
    ...failures('not_found'),
  },
})
