// The commands of the CLI about quotas.
import { answerOf } from '../../shared/api/client.ts'
import type { FleetQuotaView } from '../../shared/model/quota.ts'
import { table } from '../screen.ts'
import { type Commands, wholeNumber } from './command.ts'

export const quotaCommands: Commands = {
  quotas: {
    takes: [],
    about: 'list the quotas, with what is used of them',
    async run(client) {
      const data = await answerOf(client.v1.quotas.$get())
      return { text: quotaTable(data.quotas), data }
    },
  },
  'set-quota': {
    takes: ['<quota>', '<fleet or pattern…>'],
    about: 'bound what fleets ask for together; see --ships, --cpu, --memory',
    options: ['ships', 'cpu', 'memory'],
    async run(client, [quota = '', ...fleets], { ships, cpu, memory }) {
      if (ships === undefined && cpu === undefined && memory === undefined)
        throw new Error('A quota without a limit bounds nothing: give --ships, --cpu or --memory.')
      const limit = (name: string, text: string | undefined) =>
        text === undefined ? null : wholeNumber(name, text)
      const json = {
        fleets,
        ships: limit('ships', ships),
        cpuMillis: limit('cpu', cpu),
        memoryMiB: limit('memory', memory),
      }
      const data = await answerOf(client.v1.quotas[':quota'].$put({ param: { quota }, header: {}, json }))
      return { text: quotaTable([data]), data }
    },
  },
  'delete-quota': {
    takes: ['<quota>'],
    about: 'take a quota away',
    async run(client, [quota = '']) {
      const data = await answerOf(client.v1.quotas[':quota'].$delete({ param: { quota } }))
      return { text: `${data.deleted} is deleted`, data }
    },
  },
}

function quotaTable(quotas: readonly FleetQuotaView[]): string {
  const rows = quotas.map(({ name, fleets, used, ships, cpuMillis, memoryMiB }) => [
    name,
    fleets.join(' '),
    `${used.ships}/${ships ?? '-'}`,
    `${used.cpuMillis}/${cpuMillis ?? '-'}`,
    `${used.memoryMiB}/${memoryMiB ?? '-'}`,
  ])
  return table(['QUOTA', 'FLEETS', 'SHIPS', 'CPU (m)', 'MEMORY (MiB)'], rows)
}
