// The commands of the CLI about tokens.
import { answerOf } from '../../shared/api/client.ts'
import { TokenRole, type TokenView } from '../../shared/model/token.ts'
import { table } from '../screen.ts'
import { type Commands, wholeNumber } from './command.ts'

export const tokenCommands: Commands = {
  tokens: {
    takes: [],
    about: 'list the tokens',
    async run(client) {
      const data = await answerOf(client.v1.tokens.$get())
      return { text: tokenTable(data.tokens), data }
    },
  },
  'create-token': {
    takes: ['<name>'],
    about: 'make a token; see --role, --fleets, --ttl',
    options: ['role', 'fleets', 'ttl'],
    async run(client, [name = ''], { role = 'viewer', fleets, ttl }) {
      const json = {
        name,
        role: roleOf(role),
        ...(fleets !== undefined && { fleets: fleets.split(',') }),
        ...(ttl !== undefined && { ttlSeconds: wholeNumber('ttl', ttl) }),
      }
      const data = await answerOf(client.v1.tokens.$post({ json }))
      return { text: shownOnce(data), data }
    },
  },
  'rotate-token': {
    takes: ['<name>'],
    about: 'give a token a new secret; see --grace',
    options: ['grace'],
    async run(client, [token = ''], { grace = '0' }) {
      const json = { graceSeconds: wholeNumber('grace', grace) }
      const data = await answerOf(client.v1.tokens[':token'].rotate.$post({ param: { token }, json }))
      return { text: shownOnce(data), data }
    },
  },
  'revoke-token': {
    takes: ['<name>'],
    about: 'let a token in no more',
    async run(client, [token = '']) {
      const data = await answerOf(client.v1.tokens[':token'].$delete({ param: { token } }))
      return { text: `${data.revoked} is revoked`, data }
    },
  },
  whoami: {
    takes: [],
    about: 'whose token this is, and what it may do',
    async run(client) {
      const data = await answerOf(client.v1.whoami.$get())
      const { name, role, fleets, expiresAt } = data
      const limits = `${fleets ? `, fleets ${fleets.join(', ')} only` : ''}${expiresAt ? `, until ${expiresAt}` : ''}`
      return { text: `${name}: ${role}${limits}`, data }
    },
  },
}

function roleOf(text: string): TokenRole {
  const { data } = TokenRole.safeParse(text)
  if (data) return data
  throw new Error(`--role must be one of ${TokenRole.options.join(', ')}, not "${text}".`)
}

function shownOnce({ name, secret, expiresAt }: { name: string; secret: string; expiresAt: string | null }) {
  const end = expiresAt ? `, good until ${expiresAt}` : ''
  return `${secret}\n(the token "${name}"${end}; it is shown only once)`
}

function tokenTable(tokens: readonly TokenView[]): string {
  const rows = tokens.map(({ name, role, fleets, expiresAt, createdAt }) => [
    name,
    role,
    fleets?.join(', ') ?? 'all',
    expiresAt ?? 'never',
    createdAt,
  ])
  return table(['TOKEN', 'ROLE', 'FLEETS', 'EXPIRES', 'CREATED'], rows)
}
