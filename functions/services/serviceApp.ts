// An empty Hono app as every service begins with: validated routes, problems instead of plain errors.
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Env } from '../middleware/authenticate.ts'
import { onInvalid } from '../middleware/problems.ts'

export function serviceApp(): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>({ defaultHook: onInvalid })
}
