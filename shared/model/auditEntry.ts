// AuditEntry: who changed what, or was turned away from it, when, and how it ended.
import { z } from 'zod'

export const AuditEntry = z
  .strictObject({
    id: z.string().max(128).describe('Taken by `cursor`; its order is that of the list'),
    at: z.iso.datetime().describe('When it was answered, by the clock of its ApiServer'),
    caller: z
      .strictObject({ role: z.string(), name: z.string().describe('Of the token, or the id of the host') })
      .nullable()
      .describe('null: nobody with a valid token'),
    method: z.string(),
    route: z.string().describe('The pattern that answered; `none` when nothing answers that path'),
    path: z.string().describe('As it was asked for, without the query; at most 200 characters'),
    subject: z
      .string()
      .nullable()
      .describe(
        'What it was about: the name in the path, or of what was made, the first five with commas; null when neither is known',
      ),
    status: z.int().describe('The HTTP status of the answer'),
    code: z.string().nullable().describe('The code of the problem; null when it went well'),
    requestId: z.string().describe('`X-Request-Id`; also in the log of the ApiServer'),
    address: z.string().nullable().describe('Of the client, as far as it is known'),
    count: z
      .int()
      .min(1)
      .describe(
        'Denials, changes that were refused, and allocations that are alike within a minute are one entry, which shows the last of them',
      ),
  })
  .meta({ id: 'AuditEntry' })
export type AuditEntry = z.infer<typeof AuditEntry>
/** What is kept: the id is the place where it is kept. */
export type NewEntry = Omit<AuditEntry, 'id'>

/** Turned away for who it is or how much it asks for: these entries are shown by `denied=true`. */
export function isDenial({ status, code }: Pick<AuditEntry, 'status' | 'code'>): boolean {
  return status === 401 || status === 403 || code === 'rate_limited'
}
