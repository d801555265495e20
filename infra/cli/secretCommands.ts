// The commands of the CLI about secrets of ships.
import { text } from 'node:stream/consumers'
import { answerOf } from '../../shared/api/client.ts'
import type { SecretView } from '../../shared/model/secret.ts'
import { table } from '../screen.ts'
import type { Commands } from './command.ts'

export const secretCommands: Commands = {
  secrets: {
    takes: [],
    about: 'list the secrets, without their values',
    async run(client) {
      const data = await answerOf(client.v1.secrets.$get())
      return { text: secretTable(data.secrets), data }
    },
  },
  'set-secret': {
    takes: ['<secret>'],
    about: 'set a secret to what comes on standard input',
    async run(client, [secret = '']) {
      // Not as an argument: those stand in the list of processes and in the history of the shell.
      const value = (await text(process.stdin)).replace(/\r?\n$/, '')
      const data = await answerOf(client.v1.secrets[':secret'].$put({ param: { secret }, json: { value } }))
      return { text: secretTable([data]), data }
    },
  },
  'delete-secret': {
    takes: ['<secret>'],
    about: 'delete a secret; ships that need it do not start any more',
    async run(client, [secret = '']) {
      const data = await answerOf(client.v1.secrets[':secret'].$delete({ param: { secret } }))
      return { text: `${data.deleted} is deleted`, data }
    },
  },
}

function secretTable(secrets: readonly SecretView[]): string {
  const rows = secrets.map(({ name, updatedAt, sealed }) => [name, updatedAt, sealed ? 'yes' : 'no'])
  return table(['SECRET', 'UPDATED', 'SEALED'], rows)
}
