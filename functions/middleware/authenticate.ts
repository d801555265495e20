// Who is calling, and who may: callers come into the context, and only those that a route takes get to its handler.
import { createRoute, type RouteConfig, z } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler, Next } from 'hono'
import { joinPath } from '../../shared/api/monitor.ts'
import { type Role, scopes } from '../../shared/api/route.ts'
import { ArmadaError, type ProblemCode } from '../../shared/errors.ts'
import type { Trace } from '../../shared/trace.ts'
import { bearerOf, type Caller, type Callers } from './callers.ts'
import { stopEarly } from './fewMistakes.ts'
import { bodyBytesFor, jsonBody } from './json.ts'
import { knownQuery } from './query.ts'
import { assertUnlimited } from './scope.ts'

export interface Env {
  Variables: {
    caller: Caller
    /** Whether the caller would still be let in: what it showed may have been taken back meanwhile. */
    isStillCaller: () => Promise<boolean>
    requestId: string
    trace?: Trace
    /** Of the items in its body, where they are of other traces. */
    traceIds?: readonly string[]
    /** Where the request comes from. */
    address?: string
    /** Revision of the store that the answer shows at least. */
    shown?: number
    /** What the request is about, where its path does not name it: for the audit log. */
    subject?: string
    /** Why it was refused. */
    problem?: ProblemCode
  }
}

/** Puts the caller into the context. Requests without a token go on as nobody. */
export function authenticate(
  callers: Callers,
  /** Throws when this client may not have the store asked about what it shows. */
  beforeAsking: (c: Context<Env>) => void = () => undefined,
): MiddlewareHandler<Env> {
  return (c, next) => {
    const token = bearerOf(c.req.header('authorization'))
    if (!token) return next()
    const known = callers.known(token)
    return known ? enter(c, next, token, known) : lookUp(c, next, token)
  }

  function enter(c: Context<Env>, next: Next, token: string, caller: Caller): Promise<void> {
    c.set('caller', caller)
    c.set('isStillCaller', async () => (callers.known(token) ?? (await callers.find(token))) !== undefined)
    return next()
  }

  async function lookUp(c: Context<Env>, next: Next, token: string): Promise<void> {
    const caller = await callers.find(token, () => beforeAsking(c))
    await (caller ? enter(c, next, token, caller) : next())
  }
}

/** Turns away who has no valid token before a body is read; only joining needs none. */
export const demandCaller: MiddlewareHandler<Env> = (c, next) => {
  if (!c.get('caller') && c.req.path !== joinPath) throw unauthenticated()
  return next()
}

/** The route with its guard before it: only callers in one of its roles and in scope, with sound bodies, reach the handler. */
export function guarded<R extends RouteConfig & { 'x-roles': readonly Role[] }>(route: R) {
  const roles = route['x-roles']
  const takesLimited = scopes.includes(route['x-scope'])
  const guard: MiddlewareHandler<Env> = (c, next) => {
    if (roles.length > 0) allow(c, roles)
    if (roles.length > 0 && !takesLimited) assertUnlimited(c.get('caller'))
    return next()
  }
  const middleware = [guard]
  if (roles.length > 0) middleware.push(knownQuery(namesIn(route.request?.query)))
  if (route.request?.body) {
    middleware.push(jsonBody(bodyBytesFor(roles)), stillCaller)
    for (const media of Object.values(route.request.body.content)) {
      if (media && 'schema' in media && media.schema instanceof z.ZodType) stopEarly(media.schema)
    }
  }
  const answers = route.responses[200]
  if (answers && 'content' in answers && answers.content?.['text/event-stream']) middleware.push(unbuffered)
  return createRoute({ ...route, middleware, security: roles.length > 0 ? [{ bearer: [] }] : [] })
}

/** @throws ArmadaError unauthenticated when what the caller showed was taken back since it was looked at. */
export async function assertStillCaller(c: Context<Env>): Promise<void> {
  if (c.get('caller') && !(await c.get('isStillCaller')())) throw unauthenticated()
}

/** A body may take its time, and wait for its twin: who has lost its token meanwhile changes nothing any more. */
const stillCaller: MiddlewareHandler<Env> = async (c, next) => {
  await assertStillCaller(c)
  await next()
}

/** Proxies pass on each event of a stream as it comes. */
const unbuffered: MiddlewareHandler<Env> = async (c, next) => {
  await next()
  // Hono leaves out the body of what HEAD asks for: nobody would ever read the stream to its end.
  if (c.req.method === 'HEAD') await c.res.body?.cancel()
  c.header('x-accel-buffering', 'no')
  c.header('cache-control', 'no-store')
}

function namesIn(query: unknown): string[] {
  return query instanceof z.ZodObject ? Object.keys(query.shape) : []
}

function allow(c: Context<Env>, roles: readonly Role[]): void {
  const caller = c.get('caller')
  if (!caller) throw unauthenticated()
  if (!roles.includes(caller.role)) {
    throw new ArmadaError(
      'forbidden',
      `The role "${caller.role}" may not do that; it takes one of: ${roles.join(', ')}.`,
    )
  }
}

function unauthenticated(): ArmadaError {
  return new ArmadaError(
    'unauthenticated',
    'Send a valid token as "Authorization: Bearer <token>". One that has expired or was revoked is none.',
  )
}
