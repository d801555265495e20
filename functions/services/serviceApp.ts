// An empty Hono app as every service begins with: validated routes, problems instead of plain errors.
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context, TypedResponse } from 'hono'
import type { Env } from '../middleware/authenticate.ts'
import { onInvalid } from '../middleware/problems.ts'

export function serviceApp(): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>({ defaultHook: onInvalid })
}

/** Answers 200 with what is JSON already. */
export function jsonText<T>(c: Context<Env>, text: string): TypedResponse<T, 200, 'json'> {
  const answer: unknown = c.body(text, 200, { 'content-type': 'application/json' })
  return answer as TypedResponse<T, 200, 'json'>
}
