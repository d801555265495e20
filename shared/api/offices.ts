// Routes of the offices that are led: how a leader of an election becomes one that the ApiServers obey.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Epoch } from './fields.ts'
import { answer, body, failures, runners } from './route.ts'

export const OfficeName = z.enum(['scheduler', 'controllers'])
/** What is led by one runner at a time. */
export type OfficeName = z.infer<typeof OfficeName>

export const takeOffice = createRoute({
  method: 'put',
  path: '/v1/offices/{office}',
  tags: ['offices'],
  'x-roles': runners,
  summary: 'Take the office that was won',
  description:
    'The ApiServer looks into ZooKeeper whether that node leads the election. From the answer on, writes with any ' +
    'other epoch are refused. The same node gets the same epoch for as long as it leads.',
  request: {
    params: z.object({ office: OfficeName }),
    body: body(
      z.strictObject({
        node: z
          .string()
          .max(128)
          .describe("Name of the leader's node in the election of this office in ZooKeeper"),
      }),
    ),
  },
  responses: {
    200: answer(z.strictObject({ epoch: Epoch }), 'Taken'),
    ...failures('conflict'),
  },
})
