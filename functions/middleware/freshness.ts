// How fresh an answer is: which revision it shows, whether etcd is away, and, on request, that it misses nothing.

import type { Context, MiddlewareHandler, Next } from 'hono'
import { ArmadaError } from '../../shared/errors.ts'
import { answerWith } from './answer.ts'
import type { Env } from './authenticate.ts'
import { isRead } from './request.ts'

/** The copy of etcd that lookups are served from. */
export interface Copy {
  readonly revision: number
  /** Nothing that this ApiServer has read or written is newer. */
  readonly newest: number
  /** How old it may be, when that is more than its bound; else null. */
  readonly staleMs: number | null
  /** Resolves when it shows all that was written before. @throws ArmadaError unavailable. */
  catchUp(): Promise<void>
  /** Resolves when it shows that revision. @throws ArmadaError unavailable. */
  follow(revision: number): Promise<void>
}

/**
 * Every answer has an `X-Armada-Revision`: a lookup shows the store at that revision at least, and what a change did is
 * in it. Sent back as `X-Armada-Min-Revision` to any ApiServer, it makes that one wait until it shows as much: so a
 * caller reads what it wrote and never sees time go back, whatever the load balancer does. `?consistent=true` asks
 * etcd first. `X-Armada-Stale` says how many seconds old a lookup may be, when that is more than the copy's bound.
 */
export function freshness(copy: Copy): MiddlewareHandler<Env> {
  return (c, next) => {
    const least = c.req.header('x-armada-min-revision')
    if (least !== undefined && !/^\d{1,16}$/.test(least))
      throw unreadable('headers, x-armada-min-revision', 'digits')
    const reads = isRead(c.req.method)
    const consistent = reads ? c.req.query('consistent') : undefined
    if (consistent !== undefined && consistent !== 'true' && consistent !== 'false') {
      throw unreadable('query, consistent', '"true" or "false"')
    }
    if (!reads) return write(c, next, least)
    if (least === undefined && consistent !== 'true') return show(c, next)
    return wait(least, consistent === 'true').then(() => show(c, next))
  }

  async function wait(least: string | undefined, consistent: boolean): Promise<void> {
    if (least !== undefined) await copy.follow(Number(least))
    if (consistent) await copy.catchUp()
  }

  function show(c: Context<Env>, next: Next): Promise<void> {
    c.set('shown', copy.revision)
    answerWith(c, 'x-armada-revision', String(copy.revision))
    if (copy.staleMs !== null) answerWith(c, 'x-armada-stale', String(Math.ceil(copy.staleMs / 1_000)))
    return next()
  }

  async function write(c: Context<Env>, next: Next, least: string | undefined): Promise<void> {
    await wait(least, false)
    await next()
    answerWith(c, 'x-armada-revision', String(copy.newest))
  }
}

function unreadable(where: string, what: string): ArmadaError {
  return new ArmadaError('invalid_request', `In the ${where}: write ${what}.`)
}
