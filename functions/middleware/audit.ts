// What goes into the audit log: changes by people and their programs, hosts that join, and every denial.
import type { Context, MiddlewareHandler } from 'hono'
import { isDenial, type NewEntry } from '../../shared/model/auditEntry.ts'
import { TokenRole } from '../../shared/model/token.ts'
import type { AuditStore } from '../stores/audit/audit.ts'
import type { Env } from './authenticate.ts'
import { clientAddress } from './clientAddress.ts'
import { routeOf } from './request.ts'

const harmless = new Set(['GET', 'HEAD', 'OPTIONS'])
const people: ReadonlySet<string> = new Set(TokenRole.options)

/** Matchmakers make thousands a second; each stands with its caller on the record of its ship besides. */
const onShips = /^\/(v1\/allocations(\/|$)|gameserverallocation$)/

/** Whoever gets the answer of a change can find it in the log. Nothing of a body or of a token goes in. */
export function audit(log: Pick<AuditStore, 'record' | 'gather' | 'deny' | 'fail'>): MiddlewareHandler<Env> {
  return async (c, next) => {
    await next()
    const { status } = c.res
    const code = c.get('problem') ?? null
    if (isDenial({ status, code })) return log.deny(entryOf(c))
    if (harmless.has(c.req.method)) return
    const caller = c.get('caller')
    // The hosts' and the runners' own work stands on the records of the ships.
    if (caller ? !people.has(caller.role) : status >= 400) return
    if (status >= 400 && status < 500) return log.fail(entryOf(c))
    if (status < 400 && onShips.test(c.req.path)) return log.gather(entryOf(c))
    const recorded = log.record(entryOf(c))
    // Where a store is away, the caller does not wait for the log as well.
    if (status < 400) await recorded
  }
}

function entryOf(c: Context<Env>): NewEntry {
  const caller = c.get('caller')
  const route = routeOf(c)
  const { method, path } = c.req
  return {
    at: new Date().toISOString(),
    caller: caller ? { role: caller.role, name: caller.name } : null,
    method,
    route,
    path: path.slice(0, 200),
    subject: (c.get('subject') ?? inPath(route, path))?.slice(0, 200) ?? null,
    status: c.res.status,
    code: c.get('problem') ?? null,
    requestId: c.get('requestId'),
    address: clientAddress(c) ?? null,
    count: 1,
  }
}

/** What stands in the path where its pattern has the first name. */
function inPath(route: string, path: string): string | undefined {
  const place = route.split('/').findIndex((part) => part.startsWith(':') || part.startsWith('{'))
  return place < 0 ? undefined : path.split('/')[place]
}
