// The commands of the CLI about ships.
import { allOf, answerOf } from '../../shared/api/client.ts'
import type { ShipView } from '../../shared/model/ship.ts'
import { isAboard } from '../../shared/model/shipState.ts'
import { table } from '../screen.ts'
import { type Commands, wholeNumber } from './command.ts'
import { labelChanges, labelText, selected } from './labels.ts'

export const shipCommands: Commands = {
  ships: {
    takes: [],
    about: 'list the ships',
    options: ['fleet', 'host', 'selector', 'where'],
    async run(client, _, { fleet, host, ...selectors }) {
      const filter = { ...(fleet && { fleet }), ...(host && { host }), ...selected(selectors) }
      const ships = await allOf(
        (page) => client.v1.ships.$get({ query: { ...page, ...filter } }),
        ({ ships }) => ships,
      )
      return { text: shipTable(ships), data: { ships } }
    },
  },
  ship: {
    takes: ['<ship>'],
    about: 'show all of one ship',
    async run(client, [ship = '']) {
      const data = await answerOf(client.v1.ships[':ship'].$get({ param: { ship } }))
      return { text: JSON.stringify(data, null, 2), data }
    },
  },
  create: {
    takes: ['<blueprint>', '[count]'],
    about: 'make ships without a fleet',
    options: ['gang'],
    async run(client, [blueprint = '', count = '1'], { gang }) {
      const json = { blueprint, count: wholeNumber('count', count), ...(gang && { gang }) }
      const data = await answerOf(client.v1.ships.$post({ json, header: {} }))
      return { text: shipTable(data.ships), data }
    },
  },
  label: {
    takes: ['<ship>', '<key=value|key-…>'],
    about: 'give a ship labels; `key-` takes one away',
    async run(client, [ship = '', ...changes]) {
      const json = { labels: labelChanges(changes) }
      const data = await answerOf(client.v1.ships[':ship'].$patch({ param: { ship }, json, header: {} }))
      return { text: `${ship}: ${labelText(data.labels)}`, data }
    },
  },
  stop: {
    takes: ['<ship>'],
    about: 'stop a ship; its fleet replaces it',
    async run(client, [ship = '']) {
      const data = await answerOf(client.v1.ships[':ship'].$delete({ param: { ship }, header: {} }))
      return { text: `${data.id} is ${data.state}`, data }
    },
  },
}

function shipTable(ships: readonly ShipView[]): string {
  const areNumbered = ships.some(({ name }) => name !== undefined)
  const rows = ships.map(({ id, name, state, attempt, host, address, ports, sample, reason }) => {
    const port = isAboard(state) ? ports.find((one) => one.hostPort !== null)?.hostPort : undefined
    const players =
      sample?.players === null || sample === null ? '-' : `${sample.players}/${sample.maxPlayers ?? '?'}`
    const where = port ? `${address}:${port}` : '-'
    const named = areNumbered ? [name ?? '-'] : []
    return [id, ...named, state, String(attempt), host ?? '-', where, players, reason ?? '']
  })
  const named = areNumbered ? ['NAME'] : []
  return table(['SHIP', ...named, 'STATE', 'ATTEMPT', 'HOST', 'ADDRESS', 'PLAYERS', 'REASON'], rows)
}
