// Everything that goes wrong leaves the ApiServer as an RFC 9457 problem document.
import type { Hook } from '@hono/zod-openapi'
import type { Context, ErrorHandler, NotFoundHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { agonesPath } from '../../shared/api/agonesAllocation.ts'
import type { Problem } from '../../shared/api/route.ts'
import { ArmadaError, messageOf, problems } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { agonesProblemOf } from './agonesStatus.ts'
import type { Env } from './authenticate.ts'
import { mostMistakes } from './fewMistakes.ts'

/** Of every 429 and 503 whose cause does not say better. */
export const retryAfterSeconds = 1

/** The problem document of an error, with the headers that belong to it. */
export function problemOf(error: ArmadaError, requestId: string): { text: string; headers: Headers } {
  const body: Problem = {
    type: `urn:armada:problem:${error.code}`,
    title: problems[error.code].title,
    status: error.status,
    code: error.code,
    detail: error.message,
    requestId,
    ...(error.issues && { issues: [...error.issues] }),
  }
  const headers = new Headers({ 'content-type': 'application/problem+json' })
  const comeBack = error.status === 429 || error.status === 503 ? retryAfterSeconds : undefined
  const waitSeconds = error.retryAfterSeconds ?? comeBack
  if (waitSeconds !== undefined) headers.set('retry-after', String(waitSeconds))
  if (error.code === 'unauthenticated') headers.set('www-authenticate', 'Bearer')
  return { text: JSON.stringify(body), headers }
}

function answer(c: Context<Env>, error: ArmadaError, more: Record<string, string> = {}): Response {
  c.set('problem', error.code)
  const isAgones = c.req.method === 'POST' && c.req.path === agonesPath
  const problem = problemOf(error, c.get('requestId'))
  const { text, headers } = isAgones ? agonesProblemOf(error, problem.headers) : problem
  headers.set('content-length', String(Buffer.byteLength(text)))
  return c.body(text, error.status, { ...Object.fromEntries(headers), ...more })
}

export function onError(log: Log): ErrorHandler<Env> {
  return (error, c) => answer(c, expected(error, { requestId: c.get('requestId'), path: c.req.path, log }))
}

/** Unknown errors become `internal` here and nowhere else; their cause goes to the log, not to the caller. */
export function expected(error: Error, at: { requestId: string; path: string; log: Log }): ArmadaError {
  const known = asArmadaError(error)
  if (known) return known
  const { requestId, path, log } = at
  log.error({ requestId, path, error: messageOf(error), stack: error.stack }, 'unexpected error')
  return new ArmadaError('internal', `Look for request ${requestId} in the log of the ApiServer.`)
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

/** 405 with `Allow` when the path answers other methods. */
export function onNotFound(allowed: (path: string) => readonly string[]): NotFoundHandler<Env> {
  return (c) => {
    const asked = `${c.req.method} ${c.req.path.slice(0, 200)}`
    const methods = allowed(c.req.path)
    if (methods.length === 0) {
      const detail = `Nothing answers ${asked}. GET /openapi.json lists all routes, and /docs shows them to people.`
      return answer(c, new ArmadaError('not_found', detail))
    }
    const allow = methods.join(', ')
    const detail = `Nothing answers ${asked}; this path takes ${allow}.`
    return answer(c, new ArmadaError('method_not_allowed', detail), { allow })
  }
}

/** Turns what zod found into one problem with an issue for each field. */
export const onInvalid: Hook<unknown, Env, string, unknown> = (result) => {
  if (result.success) return
  const issues = result.error.issues.slice(0, mostMistakes).map((issue) => ({
    path: issue.path.map(String).join('.'),
    // What is wrong with a name, zod tells apart.
    message: (issue.code === 'invalid_key' && issue.issues[0]?.message) || issue.message,
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
