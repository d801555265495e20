// Idempotency-Key on every POST: the same key with the same body has one effect and one answer for a day.
import { createHash } from 'node:crypto'
import type { Context, MiddlewareHandler, Next } from 'hono'
import { agonesPath } from '../../shared/api/agonesAllocation.ts'
import { IdempotencyKey } from '../../shared/api/fields.ts'
import { ArmadaError } from '../../shared/errors.ts'
import { sleep } from '../../shared/loop.ts'
import type { Answer, AnswerStore, Asked } from '../stores/answers.ts'
import type { Env } from './authenticate.ts'
import type { Caller } from './callers.ts'
import { bodyText } from './json.ts'

/** How long a request waits for the answer to its twin. */
const twinMs = 5_000

/** POSTs that write their answer together with what they do. */
const ownAnswers = new Set(['/v1/allocations', agonesPath])

export function idempotency(answers: Pick<AnswerStore, 'begin'>): MiddlewareHandler<Env> {
  return (c, next) => {
    const has = c.req.method === 'POST' && c.req.header('idempotency-key') !== undefined
    return has && c.get('caller') && !ownAnswers.has(c.req.path) ? once(c, next) : next()
  }

  async function once(c: Context<Env>, next: Next): Promise<Response | undefined> {
    const asked = (await askedIn(c)) as Asked
    for (const endMs = performance.now() + twinMs; ; await sleep(25)) {
      const found = await answers.begin(asked)
      if (found.is === 'other') throw keyReused()
      if (found.is === 'answered') return replay(c, found.answer)
      if (found.is === 'underWay') {
        if (performance.now() < endMs) continue
        throw underWay()
      }
      await next()
      // What failed changed nothing, or can be repeated: the same key may try again.
      const ended = c.res.ok ? await answerOf(c.res) : c.res.status < 500 ? 'refused' : undefined
      await found.end(ended).catch(() => undefined)
      return
    }
  }
}

/** The intention that the request stands for; undefined without a key. @throws ArmadaError invalid_request. */
export async function askedIn(c: Context<Env>): Promise<Asked | undefined> {
  const sent = c.req.header('idempotency-key')
  const caller = c.get('caller')
  if (sent === undefined || !caller) return undefined
  const key = keyOf(sent)
  const { pathname, search } = new URL(c.req.url)
  const authorization = c.req.header('authorization') ?? ''
  return intentionOf({ caller, key, authorization, target: pathname + search, body: await bodyText(c) })
}

export interface Intention {
  caller: Caller
  key: string
  authorization: string
  /** Path and query. */
  target: string
  body: string
}

export function intentionOf({ caller, key, authorization, target, body }: Intention): Asked {
  return {
    scope: `${caller.role}:${caller.name}\n${key}`,
    digest: createHash('sha256').update(`${target}\n${body}`).digest('hex'),
    secret: `${authorization}\n${key}`,
  }
}

function keyOf(sent: string): string {
  const { data, error } = IdempotencyKey.safeParse(sent)
  if (data !== undefined) return data
  throw new ArmadaError(
    'invalid_request',
    `In the headers, idempotency-key: ${error.issues[0]?.message ?? 'it cannot be read'}`,
  )
}

async function answerOf(response: Response): Promise<Answer> {
  const contentType = response.headers.get('content-type') ?? 'application/json'
  return { status: response.status, contentType, body: await response.clone().text() }
}

function replay(c: Context<Env>, answer: Answer | undefined): Response {
  if (!answer) {
    throw new ArmadaError(
      'conflict',
      'This request was carried out, but its answer cannot be shown again: it was sent with another token, or was too large. Look up what it made.',
    )
  }
  const headers = { 'content-type': answer.contentType, 'idempotency-replayed': 'true' }
  return c.body(answer.body, answer.status as 200, headers)
}

export function keyReused(): ArmadaError {
  return new ArmadaError(
    'key_reused',
    'This Idempotency-Key came with another request within the last day. Use a new key for a new intention.',
  )
}

function underWay(): ArmadaError {
  return new ArmadaError(
    'conflict',
    'A request with this Idempotency-Key is still being carried out. Send it again in a moment.',
    { retryAfterSeconds: 2 },
  )
}
