// The commands of the CLI about where ships stand and could stand.
import { answerOf } from '../../shared/api/client.ts'
import type { Defragmentation, Simulation } from '../../shared/api/simulations.ts'
import { table } from '../screen.ts'
import { type Commands, wholeNumber } from './command.ts'

export const placementCommands: Commands = {
  placement: {
    takes: ['<ship>'],
    about: 'why a ship is on its host, or on none',
    async run(client, [ship = '']) {
      const data = await answerOf(client.v1.ships[':ship'].placement.$get({ param: { ship } }))
      return { text: `  ${data.summary.replaceAll('; ', '\n  ')}`, data }
    },
  },
  simulate: {
    takes: ['<blueprint>', '[count]'],
    about: 'where ships would go, and how many more fit; makes none',
    options: ['fleet'],
    async run(client, [blueprint = '', count = '1'], { fleet }) {
      const json = { blueprint, count: wholeNumber('count', count), ...(fleet && { fleet }) }
      const data = await answerOf(client.v1.placements.simulate.$post({ json }))
      return { text: simulationText(data), data }
    },
  },
  defragmentation: {
    takes: [],
    about: 'which hosts could be emptied; moves nothing',
    async run(client) {
      const data = await answerOf(client.v1.placements.defragmentation.$get())
      return { text: defragmentationText(data), data }
    },
  },
}

function simulationText({ count, fitting, hosts, more, moreIsExact, reason }: Simulation): string {
  const rows = hosts.map(({ host, ships }) => [host, String(ships)])
  const lines = [`  ${fitting} of ${count} fit; ${moreIsExact ? '' : 'at least '}${more} more would.`]
  if (reason !== null) lines.push(`  Then: ${reason}`)
  return [...(rows.length > 0 ? [table(['HOST', 'SHIPS'], rows)] : []), ...lines].join('\n')
}

function defragmentationText({ emptiable, kept, empty, complete }: Defragmentation): string {
  const rows = [
    ...emptiable.map(({ host, moves }) => [host, 'could be emptied', `${moves.length} ships would move`]),
    ...kept.map(({ host, ships, reason }) => [host, `keeps ${ships} ships`, reason]),
  ]
  const summary = `  ${empty} hosts are empty already.${complete ? '' : ' Only those with the fewest ships are shown.'}`
  return rows.length > 0 ? `${table(['HOST', '', 'WHY'], rows)}\n${summary}` : summary
}
