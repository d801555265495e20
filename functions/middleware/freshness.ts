// How fresh a lookup is: which revision it shows, whether etcd is away, and, on request, that it misses nothing.
import type { MiddlewareHandler } from 'hono'
import { ArmadaError } from '../../shared/errors.ts'
import type { Env } from './authenticate.ts'

/** The copy of etcd that lookups are served from. */
export interface Copy {
  readonly revision: number
  /** How old it may be, when that is more than its bound; else null. */
  readonly staleMs: number | null
  /** Resolves when it shows all that was written before. @throws ArmadaError unavailable. */
  catchUp(): Promise<void>
}

/**
 * Every lookup says in `X-Armada-Revision` which revision of the store it shows at least, and in `X-Armada-Stale`
 * how many seconds old it may be, when that is more than the copy's bound. `?consistent=true` asks etcd first.
 */
export function freshness(copy: Copy): MiddlewareHandler<Env> {
  return async (c, next) => {
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return next()
    const consistent = c.req.query('consistent')
    if (consistent === 'true') await copy.catchUp()
    else if (consistent !== undefined && consistent !== 'false') {
      throw new ArmadaError('invalid_request', 'In the query, consistent: write "true" or "false".')
    }
    c.header('x-armada-revision', String(copy.revision))
    if (copy.staleMs !== null) c.header('x-armada-stale', String(Math.ceil(copy.staleMs / 1_000)))
    await next()
  }
}
