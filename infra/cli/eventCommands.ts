// The commands of the CLI that tell what happened and what happens.
import { answerOf } from '../../shared/api/client.ts'
import { follow } from '../../shared/api/follow.ts'
import { messageOf } from '../../shared/errors.ts'
import type { ArmadaEvent } from '../../shared/model/event.ts'
import type { Commands, Terminal } from './command.ts'
import { selected } from './labels.ts'

/** resource -> what is shown of its records. */
const watched: Record<string, readonly string[]> = {
  ships: ['state', 'attempt', 'host', 'reason'],
  fleets: ['replicas', 'ships', 'message'],
  hosts: ['state', 'ships', 'cordon', 'drain'],
}

export const eventCommands: Commands = {
  events: {
    takes: [],
    about: 'what happened lately, oldest first; see --fleet, --ship, --watch',
    options: ['fleet', 'ship', 'watch'],
    async run(client, _, { fleet, ship, watch, json = false }, terminal) {
      const narrowed = { ...(fleet && { fleet }), ...(ship && { ship }) }
      const data = await answerOf(client.v1.events.$get({ query: { ...narrowed, limit: '100' } }))
      const past = data.events.toReversed()
      if (!watch) return { text: past.map(eventLine).join('\n') || '  nothing lately', data }
      const show = (event: ArmadaEvent) => terminal.print(json ? JSON.stringify(event) : eventLine(event))
      for (const event of past) show(event)
      const query = { ...narrowed, lastEventId: data.position }
      for await (const { event, data } of stream(terminal, '/v1/events', query)) {
        if (event === 'event') show(JSON.parse(data))
        else if (event === 'reset') terminal.print('  (what happened in between is not known any more)')
      }
      return undefined
    },
  },
  watch: {
    takes: ['<ships|fleets|hosts>'],
    about: 'show records as they come, change and go',
    options: ['fleet', 'host', 'selector', 'where'],
    async run(_, [resource = ''], { fleet, host, json = false, ...selectors }, terminal) {
      const fields = watched[resource]
      if (!fields) throw new Error(`"${resource}" cannot be watched: name ships, fleets or hosts.`)
      const narrowed = resource === 'ships' ? { ...(fleet && { fleet }), ...(host && { host }) } : {}
      const query = { ...narrowed, ...selected(selectors) }
      for await (const { event, data } of stream(terminal, `/v1/${resource}`, query)) {
        if (event !== 'put' && event !== 'delete') continue
        terminal.print(
          json ? `{"event":"${event}","record":${data}}` : recordLine(event, JSON.parse(data), fields),
        )
      }
      return undefined
    },
  },
}

/** Over breaks, which are told on standard error. */
function stream({ url, token, signal }: Terminal, path: string, query: Record<string, string>) {
  const full = `${url}${path}?${new URLSearchParams({ ...query, watch: 'true' })}`
  const onBreak = (error: unknown) => {
    if (!signal.aborted) process.stderr.write(`${messageOf(error)}; going on\n`)
  }
  return follow({ url: full, token, signal, onBreak })
}

function eventLine({ at, type, ship, fleet, attempt, host, reason }: ArmadaEvent): string {
  const cells = [at.slice(11, 23), (ship ?? fleet ?? '').padEnd(24), type.padEnd(16)]
  const more = [attempt !== null && attempt > 1 && `attempt ${attempt}`, host && `on ${host}`, reason]
  return `  ${[...cells, more.filter(Boolean).join(', ')].join('  ')}`.trimEnd()
}

function recordLine(event: string, record: Record<string, unknown>, fields: readonly string[]): string {
  const name = String(record.id ?? record.name)
  const shown = event === 'delete' ? ['gone'] : fields.flatMap((field) => cell(field, record[field]))
  return `  ${name.padEnd(24)}  ${shown.join('  ')}`.trimEnd()
}

function cell(field: string, value: unknown): string[] {
  if (value === null || value === undefined) return []
  if (field === 'state' || field === 'reason' || field === 'message') return [String(value)]
  return [`${field} ${typeof value === 'object' ? JSON.stringify(value) : value}`]
}
