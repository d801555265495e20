// Tokens: made, listed, rotated and revoked by admins. Secrets go out once, with the answer that made them.
import * as routes from '../../shared/api/tokens.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { Token, TokenView } from '../../shared/model/token.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { TokenRecord } from '../stores/credentials.ts'
import type { Row } from '../stores/mirror/table.ts'
import type { Stores } from '../stores/stores.ts'
import { serviceApp } from './serviceApp.ts'

const mostTokens = 10_000

export function tokenService({ tokens }: Pick<Stores, 'tokens'>) {
  return (
    serviceApp()
      // Its Idempotency-Key gives the secret once more, sealed with the token of whoever made it: an answer that got
      // lost can be had again, and only by the same caller.
      .openapi(guarded(routes.createToken), async (c) => {
        const { ttlSeconds, expiresAt, ...rest } = c.req.valid('json')
        c.set('subject', rest.name)
        if (expiresAt && Date.parse(expiresAt) <= Date.now()) throw past()
        if (tokens.table.size >= mostTokens) throw tooMany()
        const token: Token = {
          ...rest,
          expiresAt: ttlSeconds === undefined ? (expiresAt ?? null) : inSeconds(ttlSeconds),
          createdAt: new Date().toISOString(),
        }
        const secret = await tokens.create(token)
        if (secret === undefined) throw taken(token.name)
        return c.json({ ...token, oldSecretUntil: null, secret }, 201)
      })
      .openapi(guarded(routes.listTokens), (c) =>
        c.json({ tokens: [...tokens.table.rows()].map(([, row]) => viewOf(row)) }, 200),
      )
      .openapi(guarded(routes.getToken), async (c) => {
        const { token: name } = c.req.valid('param')
        const row = tokens.table.get(name) ?? (await tokens.read(name))
        if (!row) throw noSuchToken(name)
        return c.json(viewOf(row), 200)
      })
      .openapi(guarded(routes.rotateToken), async (c) => {
        const { token: name } = c.req.valid('param')
        const { graceSeconds = 0 } = c.req.valid('json') ?? {}
        const rotated = await tokens.rotate(name, graceSeconds * 1_000)
        if (!rotated) throw noSuchToken(name)
        return c.json({ ...viewOf(rotated.row), secret: rotated.text }, 200)
      })
      .openapi(guarded(routes.deleteToken), async (c) => {
        const { token: name } = c.req.valid('param')
        if (!(await tokens.remove(name))) throw noSuchToken(name)
        return c.json({ revoked: name }, 200)
      })
      .openapi(guarded(routes.whoami), (c) => {
        const { name, role, token } = c.get('caller')
        const { fleets = null, expiresAt = null, rate = null, quota = null } = token ?? {}
        return c.json({ name, role, fleets, expiresAt, rate, quota }, 200)
      })
  )
}

function viewOf({ value: { token, older } }: Row<TokenRecord>): TokenView {
  const until = older.map((one) => one.until).filter((one) => Date.parse(one) > Date.now())
  return { ...token, oldSecretUntil: until.sort().at(-1) ?? null }
}

function inSeconds(seconds: number): string {
  return new Date(Date.now() + seconds * 1_000).toISOString()
}

function past(): ArmadaError {
  const message = 'is in the past'
  return new ArmadaError('invalid_request', `In the body, expiresAt: ${message}`, {
    issues: [{ path: 'expiresAt', message }],
  })
}

function taken(name: string): ArmadaError {
  return new ArmadaError(
    'conflict',
    `There is a token "${name}" already. POST /v1/tokens/${name}/rotate gives it a new secret.`,
  )
}

function tooMany(): ArmadaError {
  return new ArmadaError(
    'conflict',
    `There are ${mostTokens} tokens. Revoke those that are not needed first.`,
  )
}

function noSuchToken(name: string): ArmadaError {
  return new ArmadaError('not_found', `There is no token "${name}". POST /v1/tokens makes one.`)
}
