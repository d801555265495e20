// The commands of the CLI about hosts.
import { allOf, answerOf, type Client } from '../../shared/api/client.ts'
import { type HostView, noReasonOfDrain } from '../../shared/model/host.ts'
import { table } from '../screen.ts'
import { type Commands, wholeNumber } from './command.ts'
import { labelChanges, labelText, selected } from './labels.ts'
import { othersText } from './resources.ts'

/** Less may be the way of a report. */
const notedSkewMs = 2_000

export const hostCommands: Commands = {
  hosts: {
    takes: [],
    about: 'list the hosts',
    options: ['selector', 'where'],
    async run(client, _, selectors) {
      const hosts = await allOf(
        (page) => client.v1.hosts.$get({ query: { ...page, ...selected(selectors) } }),
        ({ hosts }) => hosts,
      )
      return { text: hostTable(hosts), data: { hosts } }
    },
  },
  'label-host': {
    takes: ['<host>', '<key=value|key-…>'],
    about: 'give a host labels; `key-` takes one away',
    async run(client, [host = '', ...changes]) {
      const labels = labelChanges(changes)
      const data = await answerOf(
        client.v1.hosts[':host'].$patch({ param: { host }, json: { labels }, header: {} }),
      )
      return { text: `${host}: ${labelText(data.labels)}`, data }
    },
  },
  cordon: {
    takes: ['<host>'],
    about: 'let a host take no new ships',
    options: ['reason'],
    async run(client, [host = ''], { reason = '' }) {
      const data = await answerOf(
        client.v1.hosts[':host'].cordon.$post({ param: { host }, json: { reason } }),
      )
      return { text: hostTable([data]), data }
    },
  },
  uncordon: {
    takes: ['<host>'],
    about: 'let it take ships again; ends a drain',
    async run(client, [host = '']) {
      const data = await answerOf(client.v1.hosts[':host'].uncordon.$post({ param: { host } }))
      return { text: hostTable([data]), data }
    },
  },
  drain: {
    takes: ['<host>'],
    about: 'move its ships elsewhere; see --deadline',
    options: ['reason', 'deadline'],
    async run(client, [host = ''], { reason = '', deadline = '3600' }) {
      const json = { reason, deadlineSeconds: wholeNumber('deadline', deadline) }
      // Asked before: a command that fails has drained nothing.
      const isLast = !(await othersTakeShips(client, host))
      const data = await answerOf(client.v1.hosts[':host'].drain.$post({ param: { host }, json }))
      return { text: `${hostTable([data])}${isLast && data.ships > 0 ? nowhereToGo : ''}`, data }
    },
  },
  'remove-host': {
    takes: ['<host>'],
    about: 'take an empty host out of the cluster; see --force',
    options: ['force'],
    async run(client, [host = ''], { force = false }) {
      const query = { force: String(force) }
      const data = await answerOf(client.v1.hosts[':host'].$delete({ param: { host }, query }))
      const lost = data.lost.length > 0 ? `; ${data.lost.length} ships were lost with it` : ''
      return { text: `${data.removed} is removed${lost}`, data }
    },
  },
  'join-token': {
    takes: ['<host>'],
    about: 'make a one-time token for a new host',
    async run(client, [host = '']) {
      const data = await answerOf(client.v1.hosts['join-tokens'].$post({ json: { host } }))
      return { text: `${data.token}\n(good until ${data.expiresAt}, for the host "${host}" only)`, data }
    },
  },
}

const nowhereToGo =
  '\nNo other host takes ships now: those that leave it wait until one does. `armada uncordon` ends the drain.'

async function othersTakeShips(client: Client, host: string): Promise<boolean> {
  const fieldSelector = 'state=Online'
  const hosts = await allOf(
    (page) => client.v1.hosts.$get({ query: { ...page, fieldSelector } }),
    ({ hosts }) => hosts,
  )
  return hosts.some(({ id, cordon }) => id !== host && !cordon)
}

function hostTable(hosts: readonly HostView[]): string {
  const rows = hosts.map((host) => {
    const { id, state, address, ships, allocatable, sample } = host
    const cores = (millis: number) => String(Math.round(millis / 100) / 10)
    const used = { cores: sample ? cores(sample.cpuMillis) : '-', memory: sample?.memoryMiB.toFixed() ?? '-' }
    return [
      ...[id, state, address, String(ships)],
      `${used.cores}/${cores(allocatable.cpuMillis)}`,
      `${used.memory}/${allocatable.memoryMiB}`,
      othersText(allocatable),
      noteOn(host),
    ]
  })
  return table(['HOST', 'STATE', 'ADDRESS', 'SHIPS', 'CORES', 'MEMORY (MiB)', 'OTHERS', ''], rows)
}

/** Last in its line, so that however long it is the columns stay. */
function noteOn({ cordon, drain, sample, state, lastReportAt }: HostView): string {
  const silent =
    state === 'Silent' ? `no report ${lastReportAt ? `since ${second(lastReportAt)}` : 'yet'}` : ''
  return [silent, ordersOn({ cordon, drain }), clockOn(sample)].filter(Boolean).join('; ')
}

function ordersOn({ cordon, drain }: Pick<HostView, 'cordon' | 'drain'>): string {
  const why = cordon?.reason && cordon.reason !== noReasonOfDrain ? ` (${cordon.reason})` : ''
  if (!drain) return cordon ? `cordoned${why}` : ''
  const { left, inUse, deadline } = drain
  const more =
    left > 0 ? `: ${left} left, ${inUse} in use${promisesOn(drain)}, until ${second(deadline)}` : ''
  return `${drain.state}${more}${why}`
}

/** Times that people compare: of events, of logs. */
function clockOn(sample: HostView['sample']): string {
  const skewMs = sample?.clockSkewMs ?? 0
  if (Math.abs(skewMs) < notedSkewMs) return ''
  return `its clock is ${Math.round(Math.abs(skewMs) / 1_000)} s ${skewMs > 0 ? 'ahead' : 'behind'}`
}

/** When those in use are done, as far as they have said so. */
function promisesOn({ inUse, expectedEnd, unsaid, late }: NonNullable<HostView['drain']>): string {
  if (inUse === 0) return ''
  if (expectedEnd === null) return ' (none has said when it is done)'
  const notes = [unsaid > 0 && `${unsaid} unsaid`, late > 0 && `${late} late`].filter(Boolean)
  return ` (done by ${[second(expectedEnd), ...notes].join(', ')})`
}

function second(time: string): string {
  return time.replace(/\.\d+Z$/, 'Z')
}
