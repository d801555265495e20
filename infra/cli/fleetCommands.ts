// The commands of the CLI about fleets.
import { allOf, answerOf } from '../../shared/api/client.ts'
import type { FleetView } from '../../shared/model/fleet.ts'
import { table } from '../screen.ts'
import { type Commands, wholeNumber } from './command.ts'
import { selected } from './labels.ts'

export const fleetCommands: Commands = {
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
}

type ListedFleet = Omit<FleetView, 'ships'> & { ships: Readonly<Record<string, number | undefined>> }

function fleetTable(fleets: readonly ListedFleet[]): string {
  const rows = fleets.map(({ name, blueprint, follow, replicas, ships, deleting, message }) => [
    name,
    `${blueprint.name}@${blueprint.revision}${follow ? ' (latest)' : ''}`,
    String(replicas),
    String(ships.Ready ?? 0),
    String((ships.Allocated ?? 0) + (ships.Reserved ?? 0)),
    deleting ? 'being deleted' : (message ?? ''),
  ])
  return table(['FLEET', 'BLUEPRINT', 'WANTED', 'READY', 'IN USE', ''], rows)
}
