// Routes of the controllers that empty hosts: what is still aboard, and one step towards nothing.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Name } from '../model/name.ts'
import { Ship } from '../model/ship.ts'
import { Epoch } from './fields.ts'
import { answer, body, failures, runners } from './route.ts'

const tags = ['controllers']
const shipsInStep = 100

export const DrainView = z.strictObject({
  host: Name,
  revision: z.string().describe('Of the host: a step names it'),
  overdue: z.boolean().describe("By the ApiServer's clock: ships in use have to go as well"),
  ships: z.array(Ship.pick({ id: true, attempt: true, state: true, wasInUse: true, fleet: true })),
})
export type DrainView = z.infer<typeof DrainView>

export const listDrains = createRoute({
  method: 'get',
  path: '/v1/controllers/drains',
  tags,
  'x-roles': runners,
  summary: 'Hosts that are being drained, with the ships that have yet to be told to leave',
  responses: { 200: answer(z.strictObject({ drains: z.array(DrainView) }), 'The hosts'), ...failures() },
})

const Leaving = z.array(z.strictObject({ ship: Name, attempt: z.int().min(1) })).max(shipsInStep)

export const DrainStep = z.strictObject({
  epoch: Epoch,
  revision: z.string().describe('Of the host as the controller saw it: refused when it has changed'),
  stop: Leaving.describe('Ships that their fleets replace'),
  move: Leaving.describe('Ships that are queued again once they have ended'),
})
export type DrainStep = z.infer<typeof DrainStep>

export const stepDrain = createRoute({
  method: 'post',
  path: '/v1/controllers/drains/{host}/steps',
  tags,
  'x-roles': runners,
  summary: 'One step of emptying a host',
  description: 'Ships in use are left alone before the deadline, whatever the step says.',
  request: { params: z.object({ host: Name }), body: body(DrainStep) },
  responses: {
    200: answer(z.strictObject({ leaving: z.array(Name) }), 'Ships that leave'),
    ...failures('not_found', 'stale_epoch', 'revision_mismatch'),
  },
})
