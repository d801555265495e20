// The commands of the CLI that speak to the API, one entry each.
import { allOf, answerOf } from '../../shared/api/client.ts'
import type { FleetView } from '../../shared/model/fleet.ts'
import type { ShipView } from '../../shared/model/ship.ts'
import { isAboard } from '../../shared/model/shipState.ts'
import { table } from '../screen.ts'
import { allocationCommands } from './allocationCommands.ts'
import { auditCommands } from './auditCommands.ts'
import { autoscaleCommands } from './autoscaleCommands.ts'
import { blueprintCommands } from './blueprintCommands.ts'
import { clusterText } from './clusterText.ts'
import { type Commands, wholeNumber } from './command.ts'
import { consoleCommands } from './consoleCommands.ts'
import { eventCommands } from './eventCommands.ts'
import { hostCommands } from './hostCommands.ts'
import { imageCommands } from './imageCommands.ts'
import { labelChanges, labelText, selected } from './labels.ts'
import { placementCommands } from './placementCommands.ts'
import { quotaCommands } from './quotaCommands.ts'
import { rolloutCommands } from './rolloutCommands.ts'
import { secretCommands } from './secretCommands.ts'
import { tokenCommands } from './tokenCommands.ts'
import { webhookCommands } from './webhookCommands.ts'

export const commands: Commands = {
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
    takes: ['<ship>', '<key=value|key->…'],
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
  fleets: {
    takes: [],
    about: 'list the fleets',
    options: ['selector', 'where'],
    async run(client, _, selectors) {
      const fleets = await allOf(
        (page) => client.v1.fleets.$get({ query: { ...page, ...selected(selectors) } }),
        ({ fleets }) => fleets,
      )
      return { text: fleetTable(fleets), data: { fleets } }
    },
  },
  'create-fleet': {
    takes: ['<fleet>', '<blueprint>', '<replicas>'],
    about: 'keep so many ships of a blueprint; see --numbered',
    options: ['numbered'],
    async run(client, [name = '', blueprint = '', replicas], { numbered }) {
      const naming = numbered ? { naming: 'ordinal' as const } : {}
      const json = { name, blueprint, replicas: wholeNumber('replicas', replicas), ...naming }
      const data = await answerOf(client.v1.fleets.$post({ json }))
      return { text: fleetTable([data]), data }
    },
  },
  scale: {
    takes: ['<fleet>', '<replicas>'],
    about: 'keep another number of ships',
    async run(client, [fleet = '', replicas]) {
      const data = await answerOf(
        client.v1.fleets[':fleet'].$patch({
          param: { fleet },
          json: { replicas: wholeNumber('replicas', replicas) },
          header: {},
        }),
      )
      return { text: fleetTable([data]), data }
    },
  },
  'delete-fleet': {
    takes: ['<fleet>'],
    about: 'stop all its ships, then forget it',
    async run(client, [fleet = '']) {
      const data = await answerOf(client.v1.fleets[':fleet'].$delete({ param: { fleet }, header: {} }))
      return { text: `${data.name} is being deleted`, data }
    },
  },
  ...autoscaleCommands,
  ...allocationCommands,
  ...rolloutCommands,
  ...consoleCommands,
  ...blueprintCommands,
  ...hostCommands,
  ...imageCommands,
  ...placementCommands,
  ...tokenCommands,
  ...quotaCommands,
  ...secretCommands,
  ...auditCommands,
  ...eventCommands,
  ...webhookCommands,
  cluster: {
    takes: [],
    about: 'the cluster at a glance',
    async run(client) {
      const data = await answerOf(client.v1.cluster.$get())
      return { text: clusterText(data), data }
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

type ListedFleet = Omit<FleetView, 'ships'> & { ships: Readonly<Record<string, number | undefined>> }

function fleetTable(fleets: readonly ListedFleet[]): string {
  const rows = fleets.map(({ name, blueprint, replicas, ships, deleting, message }) => [
    name,
    `${blueprint.name}@${blueprint.revision}`,
    String(replicas),
    String(ships.Ready ?? 0),
    String((ships.Allocated ?? 0) + (ships.Reserved ?? 0)),
    deleting ? 'being deleted' : (message ?? ''),
  ])
  return table(['FLEET', 'BLUEPRINT', 'WANTED', 'READY', 'IN USE', ''], rows)
}
