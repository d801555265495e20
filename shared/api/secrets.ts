// Routes of secrets: texts that ships find as files. Values are written, and never read by people.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Name } from '../model/name.ts'
import { SecretValue, SecretView } from '../model/secret.ts'
import { admins, answer, body, failures, hosts } from './route.ts'

const tags = ['secrets']
const params = z.object({ secret: Name })
const example = {
  name: 'database-password',
  revision: '4711',
  updatedAt: '2026-11-02T18:00:00.000Z',
  sealed: true,
}

export const putSecret = createRoute({
  method: 'put',
  path: '/v1/secrets/{secret}',
  tags,
  'x-roles': admins,
  summary: 'Set a secret',
  description:
    'Ships whose blueprint names it find it as a file in memory. Those that run keep the value they started with. Whoever may run ships can let one of them read it.',
  request: { params, body: body(z.strictObject({ value: SecretValue }), { value: 'correct horse battery' }) },
  responses: { 200: answer(SecretView, 'It is set', example), ...failures('conflict') },
})

export const listSecrets = createRoute({
  method: 'get',
  path: '/v1/secrets',
  tags,
  'x-roles': admins,
  summary: 'List secrets by name, without their values',
  responses: {
    200: answer(z.strictObject({ secrets: z.array(SecretView) }), 'All secrets', { secrets: [example] }),
    ...failures(),
  },
})

export const deleteSecret = createRoute({
  method: 'delete',
  path: '/v1/secrets/{secret}',
  tags,
  'x-roles': admins,
  summary: 'Delete a secret',
  description: 'Ships that need it run on, and do not start any more.',
  request: { params },
  responses: {
    200: answer(z.strictObject({ deleted: Name }), 'It is gone', { deleted: example.name }),
    ...failures('not_found'),
  },
})

export const handOver = createRoute({
  method: 'post',
  path: '/v1/monitor/ships/{ship}/secrets',
  tags: ['monitor'],
  'x-roles': hosts,
  summary: 'Get the secrets of a ship that this host has claimed',
  description: 'Only while it starts here. They are kept in memory and nowhere else.',
  request: {
    params: z.object({ ship: Name }),
    body: body(z.strictObject({ attempt: z.int().min(1) })),
  },
  responses: {
    200: answer(
      z.strictObject({ values: z.record(Name, SecretValue).describe('By the names of the secrets') }),
      'The values',
    ),
    ...failures('not_found', 'conflict'),
  },
})
