// The audit log, for admins.
import * as routes from '../../shared/api/audit.ts'
import { ArmadaError } from '../../shared/errors.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { AuditStore } from '../stores/audit/audit.ts'
import { serviceApp } from './serviceApp.ts'

export function auditService({ audit }: { audit: AuditStore }) {
  return serviceApp().openapi(guarded(routes.listAudit), async (c) => {
    const { limit, cursor, denied, since, until, ...named } = c.req.valid('query')
    if (cursor !== undefined && !/^\d{13}-[a-z0-9]{12}-\d{1,15}\.\d{1,4}$/.test(cursor)) {
      throw new ArmadaError('invalid_request', 'In the query, cursor: send `nextCursor` of the page before.')
    }
    const filter = {
      ...named,
      denied: denied === undefined ? undefined : denied === 'true',
      sinceMs: since === undefined ? undefined : Date.parse(since),
      untilMs: until === undefined ? undefined : Date.parse(until),
    }
    const { entries, next } = await audit.page(filter, limit, cursor)
    return c.json({ entries, nextCursor: next }, 200)
  })
}
