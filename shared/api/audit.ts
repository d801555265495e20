// The route of the audit log.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { AuditEntry } from '../model/auditEntry.ts'
import { examples } from './examples.ts'
import { Cursor, Limit } from './fields.ts'
import { admins, answer, failures } from './route.ts'

const instant = z.iso.datetime({
  offset: true,
  error: 'must be a time with its offset, such as 2026-11-02T18:00:00Z',
})

export const listAudit = createRoute({
  method: 'get',
  path: '/v1/audit',
  tags: ['audit'],
  'x-roles': admins,
  summary: 'Who changed what, and who was turned away; newest first',
  description:
    'Holds every change by people and their programs, every host that joined, and every denial. A page may have fewer entries than `limit`, also none, while there are more: go on until `nextCursor` is null.',
  request: {
    query: z.object({
      caller: z.string().max(63).optional().describe('Name of the caller'),
      subject: z.string().max(200).optional().describe('Name of what it was about'),
      path: z.string().max(200).optional().describe('How the path begins: `/v1/fleets/lobby`'),
      denied: z.enum(['true', 'false']).optional().describe('`true`: only denials; `false`: none'),
      since: instant.optional().describe('Answered at this time or later'),
      until: instant.optional().describe('Answered before this time'),
      limit: Limit,
      cursor: Cursor,
    }),
  },
  responses: {
    200: answer(
      z.strictObject({
        entries: z.array(AuditEntry),
        nextCursor: z.string().nullable().describe('Pass it as `cursor` to get the next page'),
      }),
      'A page of entries',
      { entries: [examples.auditEntry], nextCursor: null },
    ),
    ...failures(),
  },
})
