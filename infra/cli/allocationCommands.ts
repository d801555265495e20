// The commands of the CLI about allocations.
import { allOf, answerOf } from '../../shared/api/client.ts'
import { LabelSelector } from '../../shared/model/labelSelector.ts'
import { randomId } from '../../shared/model/name.ts'
import { table } from '../screen.ts'
import { type Commands, wholeNumber } from './command.ts'
import { patiently } from './patience.ts'

export const allocationCommands: Commands = {
  allocate: {
    takes: ['<fleet>', '[count]'],
    about: 'take ready ships for a match',
    options: ['selector', 'lease', 'wait'],
    async run(client, [fleet = '', count = '1'], { selector, lease, wait }) {
      const matchExpressions = selector === undefined ? [] : LabelSelector.parse(selector)
      const json = {
        selectors: [{ fleet, matchExpressions }],
        count: wholeNumber('count', count),
        ...(lease !== undefined && { leaseSeconds: wholeNumber('lease', lease) }),
        ...(wait !== undefined && { waitSeconds: wholeNumber('wait', wait) }),
      }
      const header = { 'idempotency-key': randomId() }
      const data = await patiently(
        () => answerOf(client.v1.allocations.$post({ json, header })),
        ({ code }) => code === 'unavailable',
      )
      return { text: allocationTable(data.allocations), data }
    },
  },
  allocations: {
    takes: [],
    about: 'list the allocations',
    options: ['fleet'],
    async run(client, _, { fleet }) {
      const allocations = await allOf(
        (page) => client.v1.allocations.$get({ query: { ...page, ...(fleet && { fleet }) } }),
        ({ allocations }) => allocations,
      )
      return { text: allocationTable(allocations), data: { allocations } }
    },
  },
  return: {
    takes: ['<allocation>'],
    about: 'give a ship back after the match',
    async run(client, [allocation = '']) {
      const data = await answerOf(
        client.v1.allocations[':allocation'].$delete({ param: { allocation }, query: {} }),
      )
      return { text: `${data.ship} is ${data.state}`, data }
    },
  },
  confirm: {
    takes: ['<allocation>'],
    about: 'keep an allocation beyond its lease',
    async run(client, [allocation = '']) {
      const data = await answerOf(
        client.v1.allocations[':allocation'].confirm.$post({ param: { allocation } }),
      )
      return { text: allocationTable([data]), data }
    },
  },
}

interface Listed {
  id: string
  state: string
  address: string | null
  ports: readonly { hostPort: number | null }[]
  by: string
  at: string
  leaseUntil: string | null
}

function allocationTable(allocations: readonly Listed[]): string {
  const rows = allocations.map(({ id, state, address, ports, by, at, leaseUntil }) => {
    const port = ports.find((one) => one.hostPort !== null)?.hostPort
    return [id, state, port ? `${address}:${port}` : '-', by, at, leaseUntil ?? '-']
  })
  return table(['ALLOCATION', 'STATE', 'ADDRESS', 'BY', 'SINCE', 'LEASE UNTIL'], rows)
}
