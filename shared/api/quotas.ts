// Routes of quotas: how much some fleets may ask for at the same time.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Name } from '../model/name.ts'
import { FleetQuota, FleetQuotaView } from '../model/quota.ts'
import { bounds, noBounds } from '../model/token.ts'
import { examples } from './examples.ts'
import { IfMatch } from './fields.ts'
import { admins, answer, body, failures, readers } from './route.ts'

const tags = ['quotas']
const params = z.object({ quota: Name })

export const putQuota = createRoute({
  method: 'put',
  path: '/v1/quotas/{quota}',
  tags,
  'x-roles': admins,
  summary: 'Set a quota for fleets',
  description:
    'A fleet that is under several quotas, or whose maker has one of its own, keeps them all. Ships that run are left alone when a quota is lowered; no more are made.',
  request: {
    params,
    headers: IfMatch,
    body: body(FleetQuota.omit({ name: true }).refine(bounds, noBounds), examples.putQuota),
  },
  responses: {
    200: answer(FleetQuotaView, 'The quota', examples.quota),
    ...failures('conflict', 'revision_mismatch'),
  },
})

export const listQuotas = createRoute({
  method: 'get',
  path: '/v1/quotas',
  tags,
  'x-roles': readers,
  summary: 'List quotas by name, with what is used of them',
  responses: {
    200: answer(z.strictObject({ quotas: z.array(FleetQuotaView) }), 'All quotas', {
      quotas: [examples.quota],
    }),
    ...failures(),
  },
})

export const getQuota = createRoute({
  method: 'get',
  path: '/v1/quotas/{quota}',
  tags,
  'x-roles': readers,
  summary: 'Look up a quota',
  request: { params },
  responses: { 200: answer(FleetQuotaView, 'The quota', examples.quota), ...failures('not_found') },
})

export const deleteQuota = createRoute({
  method: 'delete',
  path: '/v1/quotas/{quota}',
  tags,
  'x-roles': admins,
  summary: 'Take a quota away',
  request: { params },
  responses: {
    200: answer(z.strictObject({ deleted: Name }), 'It is gone', { deleted: 'lobbies' }),
    ...failures('not_found'),
  },
})
