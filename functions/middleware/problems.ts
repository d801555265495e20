// Everything that goes wrong leaves the ApiServer as an RFC 9457 problem document.
import type { Hook } from '@hono/zod-openapi'
import type { Context, ErrorHandler, NotFoundHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { Problem } from '../../shared/api/route.ts'
import { ArmadaError, messageOf, problems } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Env } from './authenticate.ts'

function answer(c: Context<Env>, error: ArmadaError): Response {
  const body: Problem = {
    type: `urn:armada:problem:${error.code}`,
    title: problems[error.code].title,
    status: error.status,
    code: error.code,
    detail: error.message,
    requestId: c.get('requestId'),
    ...(error.issues && { issues: [...error.issues] }),
  }
  c.set('problem', error.code)
  const headers = new Headers({ 'content-type': 'application/problem+json' })
  if (error.retryAfterSeconds !== undefined) headers.set('retry-after', String(error.retryAfterSeconds))
  if (error.code === 'unauthenticated') headers.set('www-authenticate', 'Bearer')
  return c.body(JSON.stringify(body), error.status, Object.fromEntries(headers))
}

/** Unknown errors become `internal` here and nowhere else; their cause goes to the log, not to the caller. */
export function onError(log: Log): ErrorHandler<Env> {
  return (error, c) => {
    const known = asArmadaError(error)
    if (known) return answer(c, known)
    const requestId = c.get('requestId')
    log.error(
      { requestId, path: c.req.path, error: messageOf(error), stack: error.stack },
      'unexpected error',
    )
    return answer(
      c,
      new ArmadaError('internal', `Look for request ${requestId} in the log of the ApiServer.`),
    )
  }
}

function asArmadaError(error: Error): ArmadaError | undefined {
  if (error instanceof ArmadaError) return error
  if (!(error instanceof HTTPException)) return undefined
  if (error.status === 400) return new ArmadaError('malformed_json', `${error.message}. Send valid JSON.`)
  if (error.status === 415) {
    return new ArmadaError('unsupported_media_type', 'Send the body with "Content-Type: application/json".')
  }
  return undefined
}

export const onNotFound: NotFoundHandler<Env> = (c) =>
  answer(
    c,
    new ArmadaError(
      'not_found',
      `Nothing answers ${c.req.method} ${c.req.path}. GET /openapi.json lists all routes.`,
    ),
  )

/** Turns what zod found into one problem with an issue for each field. */
export const onInvalid: Hook<unknown, Env, string, unknown> = (result) => {
  if (result.success) return
  const issues = result.error.issues.slice(0, 20).map(({ path, message }) => ({
    path: path.map(String).join('.'),
    message,
  }))
  const first = issues[0]
  const where = { json: 'the body', query: 'the query', param: 'the path', header: 'the headers' }[
    result.target as string
  ]
  throw new ArmadaError(
    'invalid_request',
    `In ${where ?? 'the request'}${first?.path ? `, ${first.path}` : ''}: ${first?.message}`,
    {
      issues,
    },
  )
}
