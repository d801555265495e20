// The command of the CLI about the audit log.
import { answerOf } from '../../shared/api/client.ts'
import type { AuditEntry } from '../../shared/model/auditEntry.ts'
import { table } from '../screen.ts'
import { type Commands, wholeNumber } from './command.ts'
import { sinceTime } from './since.ts'

export const auditCommands: Commands = {
  audit: {
    takes: ['[entries]'],
    about: 'who changed what, newest first; see --denied, --caller, --since',
    options: ['denied', 'caller', 'since'],
    async run(client, [most = '50'], { denied, caller, since }) {
      const narrowed = {
        ...(denied && { denied: 'true' as const }),
        ...(caller && { caller }),
        ...(since !== undefined && { since: sinceTime(since) }),
      }
      const entries: AuditEntry[] = []
      const count = wholeNumber('entries', most)
      for (let cursor: string | undefined; entries.length < count; ) {
        const limit = String(Math.min(1_000, count - entries.length))
        const query = { ...narrowed, limit, ...(cursor && { cursor }) }
        const page = await answerOf(client.v1.audit.$get({ query }))
        entries.push(...page.entries)
        if (page.nextCursor === null) break
        cursor = page.nextCursor
      }
      return { text: auditTable(entries), data: { entries } }
    },
  },
}

function auditTable(entries: readonly AuditEntry[]): string {
  const rows = entries.map(({ at, caller, address, method, path, subject, status, code, count }) => [
    at,
    caller ? `${caller.name} (${caller.role})` : (address ?? '-'),
    `${method} ${path}`,
    subject !== null && !path.includes(subject) ? subject : '',
    `${status}${code ? ` ${code}` : ''}${count > 1 ? ` × ${count}` : ''}`,
  ])
  return table(['TIME', 'WHO', 'WHAT', '', 'RESULT'], rows)
}
