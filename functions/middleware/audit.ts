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

export type AuditLog = Pick<AuditStore, 'record' | 'gather' | 'deny' | 'fail'>

/** Whoever gets the answer of a change can find it in the log. Nothing of a body or of a token goes in. */
export function audit(log: AuditLog): MiddlewareHandler<Env> {
  return async (c, next) => {
    await next()
    const { method, path } = c.req
    const role = c.get('caller')?.role
    const how = { method, path, role, status: c.res.status, code: c.get('problem') ?? null }
    await tellAudit(log, how, () => entryOf(c))
  }
}

export type Outcome = Pick<NewEntry, 'method' | 'path' | 'status' | 'code'> & { role: string | undefined }

/** @returns a promise when the answer has to wait until the entry is kept. */
export function tellAudit(
  log: AuditLog,
  { method, path, role, status, code }: Outcome,
  entry: () => NewEntry,
): Promise<void> | undefined {
  if (isDenial({ status, code })) log.deny(entry())
  // The hosts' and the runners' own work stands on the records of the ships.
  else if (harmless.has(method) || (role === undefined ? status >= 400 : !people.has(role))) return
  else if (status >= 400 && status < 500) log.fail(entry())
  else if (status < 400 && onShips.test(path)) log.gather(entry())
  else {
    const recorded = log.record(entry())
    // Where a store is away, the caller does not wait for the log as well.
    if (status < 400) return recorded
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
