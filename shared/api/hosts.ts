// Routes of hosts: the machines that carry ships.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { HostView } from '../model/host.ts'
import { Name } from '../model/name.ts'
import { examples } from './examples.ts'
import { admins, answer, body, failures, readers } from './route.ts'

const tags = ['hosts']

export const listHosts = createRoute({
  method: 'get',
  path: '/v1/hosts',
  tags,
  'x-roles': readers,
  summary: 'List hosts by id',
  responses: {
    200: answer(z.strictObject({ hosts: z.array(HostView) }), 'All hosts', { hosts: [examples.host] }),
    ...failures(),
  },
})

export const getHost = createRoute({
  method: 'get',
  path: '/v1/hosts/{host}',
  tags,
  'x-roles': readers,
  summary: 'Look up a host',
  request: { params: z.object({ host: Name }) },
  responses: { 200: answer(HostView, 'The host', examples.host), ...failures('not_found') },
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
