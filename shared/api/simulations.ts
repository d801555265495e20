// Routes of questions about placement: where ships would go, which hosts could be emptied. Nothing is moved by asking.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { BlueprintSpec } from '../model/blueprint.ts'
import { PlacementRule } from '../model/explanation.ts'
import { Name, PrefixName } from '../model/name.ts'
import { mostSimulated, Question, Reply } from '../model/question.ts'
import { examples } from './examples.ts'
import { Epoch } from './fields.ts'
import { answer, body, failures, readers, runners } from './route.ts'

const tags = ['placements']

export const SimulationRequest = z
  .strictObject({
    blueprint: PrefixName.optional(),
    revision: z.int().min(1).optional().describe('Of the blueprint. Default: the latest'),
    // Without words of its own the document refers to it; with them all its fields would stand there again.
    spec: BlueprintSpec.optional(),
    fleet: PrefixName.optional().describe('As ships of this fleet: counts for anti-affinity and spread'),
    count: z.int().min(1).max(mostSimulated).default(1).describe('Ships to find places for'),
  })
  .refine((request) => (request.blueprint === undefined) !== (request.spec === undefined), {
    path: ['blueprint'],
    message: 'give either a blueprint or a spec',
  })
  .refine((request) => request.revision === undefined || request.blueprint !== undefined, {
    path: ['revision'],
    message: 'is of a blueprint; give that, too',
  })

export const Simulation = z
  .strictObject({
    count: z.int().describe('Ships asked for'),
    fitting: z.int().min(0).describe('Those of them that fit now'),
    hosts: z
      .array(z.strictObject({ host: Name, ships: z.int().min(1) }))
      .describe('Where they would go, most ships first'),
    more: z.int().min(0).describe(`How many more would fit; all together are counted to ${mostSimulated}`),
    moreIsExact: z.boolean().describe('false: at least so many'),
    reason: z
      .string()
      .nullable()
      .describe('Why the next one does not fit; null when more was not counted out'),
    ruledOut: z
      .array(z.strictObject({ rule: PlacementRule, hosts: z.int().min(1) }))
      .describe('How many hosts each rule tells out then, the most common first'),
  })
  .meta({ id: 'Simulation' })
export type Simulation = z.infer<typeof Simulation>

export const simulatePlacement = createRoute({
  method: 'post',
  path: '/v1/placements/simulate',
  tags,
  'x-roles': readers,
  summary: 'Where so many ships of a blueprint would go, and how many more fit',
  description:
    'A dry run on what the leading scheduler knows at this moment: nothing is made, and nothing is held free. `spec` in place of `blueprint` asks for one that is not published. A gang of `count` ships would find its hosts if all of them are `fitting`.',
  request: { body: body(SimulationRequest, { blueprint: 'arena', count: 20 }) },
  responses: {
    200: answer(Simulation, 'Where they would go', examples.simulation),
    ...failures('not_found'),
  },
})

export const Defragmentation = z
  .strictObject({
    emptiable: z
      .array(
        z.strictObject({
          host: Name,
          moves: z
            .array(z.strictObject({ ship: Name, to: Name }))
            .describe('What would have to move, and where to'),
        }),
      )
      .describe('Hosts that could be empty, one after the other: the moves of all of them fit together'),
    kept: z
      .array(
        z.strictObject({
          host: Name,
          ships: z.int().min(1),
          inUse: z
            .int()
            .min(0)
            .describe(
              'Those that are Allocated or Reserved, or were before they became Unhealthy: they are never moved',
            ),
          reason: z.string(),
        }),
      )
      .describe('The others in use, the fewest ships first'),
    empty: z.int().min(0).describe('Hosts that are empty already'),
    complete: z.boolean().describe('false: only the hosts with the fewest ships were looked at'),
  })
  .meta({ id: 'Defragmentation' })
export type Defragmentation = z.infer<typeof Defragmentation>

export const getDefragmentation = createRoute({
  method: 'get',
  path: '/v1/placements/defragmentation',
  tags,
  'x-roles': readers,
  summary: 'Which hosts could be emptied, and what keeps the others',
  description:
    'A report; it moves nothing. To empty a host of the list, drain it. Ships in use keep their host. A ship counts on both hosts while its move is tried, so that a spread may say no where it would just do.',
  responses: { 200: answer(Defragmentation, 'The report', examples.defragmentation), ...failures() },
})

export const takeQuestion = createRoute({
  method: 'post',
  path: '/v1/placements/questions',
  tags,
  'x-roles': runners,
  summary: 'Wait for a question to the leading scheduler',
  description: 'Answers after some seconds when there is none.',
  request: { body: body(z.strictObject({ epoch: Epoch })) },
  responses: {
    200: answer(
      z.strictObject({ asked: z.strictObject({ id: Name, question: Question }).nullable() }),
      'The question',
    ),
    ...failures('stale_epoch'),
  },
})

export const replyToQuestion = createRoute({
  method: 'post',
  path: '/v1/placements/questions/{id}',
  tags,
  'x-roles': runners,
  summary: 'Answer a question',
  request: { params: z.object({ id: Name }), body: body(z.strictObject({ epoch: Epoch, reply: Reply })) },
  responses: {
    200: answer(
      z.strictObject({ heard: z.boolean().describe('false: nobody waits for it any more') }),
      'Passed on',
    ),
    ...failures('stale_epoch'),
  },
})
