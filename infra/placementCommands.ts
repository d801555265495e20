// The commands of the CLI about where ships stand and could stand.
import { answerOf } from '../shared/api/client.ts'
import type { Commands } from './command.ts'

export const placementCommands: Commands = {
  placement: {
    takes: ['<ship>'],
    about: 'why a ship is on its host, or on none',
    async run(client, [ship = '']) {
      const data = await answerOf(client.v1.ships[':ship'].placement.$get({ param: { ship } }))
      return { text: `  ${data.summary.replaceAll('; ', '\n  ')}`, data }
    },
  },
}
