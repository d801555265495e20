// All commands of the CLI that speak to the API, in the order in which help lists them.
import { answerOf } from '../../shared/api/client.ts'
import { allocationCommands } from './allocationCommands.ts'
import { auditCommands } from './auditCommands.ts'
import { autoscaleCommands } from './autoscaleCommands.ts'
import { blueprintCommands } from './blueprintCommands.ts'
import { clusterText } from './clusterText.ts'
import type { Commands } from './command.ts'
import { consoleCommands } from './consoleCommands.ts'
import { eventCommands } from './eventCommands.ts'
import { fleetCommands } from './fleetCommands.ts'
import { hostCommands } from './hostCommands.ts'
import { imageCommands } from './imageCommands.ts'
import { placementCommands } from './placementCommands.ts'
import { quotaCommands } from './quotaCommands.ts'
import { rolloutCommands } from './rolloutCommands.ts'
import { secretCommands } from './secretCommands.ts'
import { shipCommands } from './shipCommands.ts'
import { tokenCommands } from './tokenCommands.ts'
import { webhookCommands } from './webhookCommands.ts'

export const commands: Commands = {
  ...shipCommands,
  ...fleetCommands,
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
