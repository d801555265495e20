// Routes of hosts: the machines that carry ships.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { fieldSelector } from '../model/fieldSelector.ts'
import { HostView } from '../model/host.ts'
import { LabelSelector } from '../model/labelSelector.ts'
import { Name } from '../model/name.ts'
import { hostFields } from '../model/selectable.ts'
import { examples } from './examples.ts'
import { IfMatch, LabelPatch, NextCursor, Paging, Watch, watchAbout } from './fields.ts'
import { admins, answer, body, failures, operators, optionalBody, readers, streams } from './route.ts'

const tags = ['hosts']
const params = z.object({ host: Name })
const reason = z.string().max(256).default('').describe('Shown on the host and in refusals')

export const HostFilter = z.object({
  labelSelector: LabelSelector.optional(),
  fieldSelector: fieldSelector(hostFields).optional(),
})
/** What narrows a list of hosts. */
export type HostFilter = z.infer<typeof HostFilter>

export const listHosts = createRoute({
  method: 'get',
  path: '/v1/hosts',
  tags,
  'x-roles': readers,
  summary: 'List hosts by id, or watch them',
  description: `${watchAbout} A new sample alone is no change; a host that falls silent is told within 20 s.`,
  request: { query: HostFilter.extend({ ...Paging.shape, ...Watch.shape }) },
  responses: {
    200: streams(
      answer(z.strictObject({ hosts: z.array(HostView), nextCursor: NextCursor }), 'A page of hosts', {
        hosts: [examples.host],
        nextCursor: null,
      }),
    ),
    ...failures('too_many_streams'),
  },
})

export const getHost = createRoute({
  method: 'get',
  path: '/v1/hosts/{host}',
  tags,
  'x-roles': readers,
  summary: 'Look up a host',
  request: { params },
  responses: { 200: answer(HostView, 'The host', examples.host), ...failures('not_found') },
})

export const patchHost = createRoute({
  method: 'patch',
  path: '/v1/hosts/{host}',
  tags,
  'x-roles': operators,
  summary: 'Give a host labels',
  description: 'They are kept apart from those its agent registers and win over them. Ships aboard stay.',
  request: {
    params,
    headers: IfMatch,
    body: body(z.strictObject({ labels: LabelPatch }), { labels: { region: 'eu', old: null } }),
  },
  responses: {
    200: answer(HostView, 'The host', examples.host),
    ...failures('not_found', 'revision_mismatch'),
  },
})

export const cordonHost = createRoute({
  method: 'post',
  path: '/v1/hosts/{host}/cordon',
  tags,
  'x-roles': operators,
  summary: 'Let a host take no new ships; those aboard stay',
  request: { params, body: optionalBody(z.strictObject({ reason }), { reason: 'new kernel' }) },
  responses: { 200: answer(HostView, 'The host, cordoned', examples.cordoned), ...failures('not_found') },
})

export const uncordonHost = createRoute({
  method: 'post',
  path: '/v1/hosts/{host}/uncordon',
  tags,
  'x-roles': operators,
  summary: 'Let a host take ships again; ends a drain as well',
  request: { params },
  responses: { 200: answer(HostView, 'The host', examples.host), ...failures('not_found') },
})

export const drainHost = createRoute({
  method: 'post',
  path: '/v1/hosts/{host}/drain',
  tags,
  'x-roles': operators,
  summary: 'Cordon a host and move its ships elsewhere',
  description:
    'Ships of fleets are stopped and their fleets replace them; others are queued again once they have ended. Allocated and Reserved ones may finish until the deadline, then they are stopped. Again: sets the deadline anew. `drain` on the host shows how far it is, and when ships in use expect to be done, as far as they have said so; `uncordon` ends it.',
  request: {
    params,
    body: optionalBody(
      z.strictObject({
        reason,
        deadlineSeconds: z
          .int()
          .min(0)
          .max(2_592_000)
          .default(3_600)
          .describe('How long ships in use may take to finish'),
      }),
      { reason: 'new kernel', deadlineSeconds: 1_800 },
    ),
  },
  responses: { 200: answer(HostView, 'The host, draining', examples.draining), ...failures('not_found') },
})

export const deleteHost = createRoute({
  method: 'delete',
  path: '/v1/hosts/{host}',
  tags,
  'x-roles': admins,
  summary: 'Remove a host from the cluster',
  description:
    'Its credential dies, its agent ends. With `force` the ships that are aboard count as lost: switch the machine off first, for what runs there is not waited for.',
  request: {
    params,
    query: z.object({
      force: z.stringbool().default(false).describe('Also while ships are aboard'),
    }),
  },
  responses: {
    200: answer(
      z.strictObject({ removed: Name, lost: z.array(Name).describe('Ships that were aboard') }),
      'It is gone',
      { removed: 'fra-07', lost: [] },
    ),
    ...failures('not_found', 'conflict'),
  },
})

export const createJoinToken = createRoute({
  method: 'post',
  path: '/v1/hosts/join-tokens',
  tags,
  'x-roles': admins,
  summary: 'Make a one-time token with which a host joins',
  request: {
    body: body(
      z.strictObject({
        host: Name.describe(
          'The only host id the token is good for. A host of that id that exists is replaced',
        ),
        ttlSeconds: z.int().min(10).max(604_800).default(3_600),
      }),
      examples.joinToken,
    ),
  },
  responses: {
    201: answer(
      z.strictObject({ token: z.string().describe('Shown once'), expiresAt: z.iso.datetime() }),
      'The token',
      examples.joinTokenMade,
    ),
    ...failures(),
  },
})
