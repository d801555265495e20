// Routes of tokens: who may be let in, and what they may do.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Name } from '../model/name.ts'
import { Token, TokenRequest, TokenView } from '../model/token.ts'
import { examples } from './examples.ts'
import { admins, answer, body, failures, optionalBody, Role, readers } from './route.ts'

const tags = ['tokens']
const params = z.object({ token: Name })

const TokenMade = TokenView.extend({
  secret: z.string().describe('The whole bearer token. Shown once: only a digest of it is kept'),
})

export const createToken = createRoute({
  method: 'post',
  path: '/v1/tokens',
  tags,
  'x-roles': admins,
  summary: 'Make a token',
  description:
    'viewer: reads; allocator: also takes ships and gives them back; operator: runs ships, fleets and hosts; admin: also tokens and who joins. With `fleets` it sees only fleets of these names and their ships.',
  request: { body: body(TokenRequest, examples.makeToken) },
  responses: { 201: answer(TokenMade, 'The token', examples.tokenMade), ...failures('conflict') },
})

export const listTokens = createRoute({
  method: 'get',
  path: '/v1/tokens',
  tags,
  'x-roles': admins,
  summary: 'List tokens by name, without their secrets',
  responses: {
    200: answer(z.strictObject({ tokens: z.array(TokenView) }), 'All tokens', { tokens: [examples.token] }),
    ...failures(),
  },
})

export const getToken = createRoute({
  method: 'get',
  path: '/v1/tokens/{token}',
  tags,
  'x-roles': admins,
  summary: 'Look up a token',
  request: { params },
  responses: { 200: answer(TokenView, 'The token', examples.token), ...failures('not_found') },
})

export const rotateToken = createRoute({
  method: 'post',
  path: '/v1/tokens/{token}/rotate',
  tags,
  'x-roles': admins,
  summary: 'Give a token a new secret',
  request: {
    params,
    body: optionalBody(
      z.strictObject({
        graceSeconds: z
          .int()
          .min(0)
          .max(604_800)
          .default(0)
          .describe('How long the old secret is good as well. 0: it is refused at once, and all older ones'),
      }),
      { graceSeconds: 3_600 },
    ),
  },
  responses: { 200: answer(TokenMade, 'The token', examples.tokenMade), ...failures('not_found') },
})

export const deleteToken = createRoute({
  method: 'delete',
  path: '/v1/tokens/{token}',
  tags,
  'x-roles': admins,
  summary: 'Revoke a token',
  request: { params },
  responses: {
    200: answer(z.strictObject({ revoked: Name }), 'It is refused from now on', { revoked: 'lobby-team' }),
    ...failures('not_found'),
  },
})

export const whoami = createRoute({
  method: 'get',
  path: '/v1/whoami',
  tags,
  'x-roles': readers,
  'x-scope': 'self',
  summary: 'Who the caller is and what it may do',
  responses: {
    200: answer(
      Token.omit({ createdAt: true }).extend({
        name: z.string().describe('Of the token; of one that stands in the settings: its role'),
        role: Role,
      }),
      'The caller',
      examples.caller,
    ),
    ...failures(),
  },
})
