// Agones' player tracking, its alpha: the players who are connected are the values of the ship's list `players`.
import type { List } from '../../shared/model/shipData.ts'
import type { Word } from '../../shared/model/word.ts'
import { textOf, wholeOf } from './fields.ts'
import { playerList } from './gameServer.ts'
import type { Line } from './line.ts'
import type { Message, Method } from './method.ts'
import { type SdkCode, SdkError } from './sdkError.ts'

const service = 'agones.dev.sdk.alpha.SDK'
const name = playerList

export const playerMethods: readonly Method[] = [
  {
    ...{ service, name: 'PlayerConnect', verb: 'POST', path: /^\/alpha\/player\/connect$/ },
    run: ({ line }, request) =>
      changes(line, { say: 'append', name, value: playerIn(request) }, 'ALREADY_EXISTS'),
  },
  {
    ...{ service, name: 'PlayerDisconnect', verb: 'POST', path: /^\/alpha\/player\/disconnect$/ },
    run: ({ line }, request) => changes(line, { say: 'remove', name, value: playerIn(request) }, 'NOT_FOUND'),
  },
  {
    ...{ service, name: 'SetPlayerCapacity', verb: 'PUT', path: /^\/alpha\/player\/capacity$/ },
    run: async ({ line }, { count }) => {
      const capacity = wholeOf(count, 'count') ?? 0
      const { values } = await players(line)
      // A list that shrinks forgets what does not fit, and these are people.
      if (capacity < values.length) {
        throw new SdkError('OUT_OF_RANGE', `${values.length} players are connected; ${capacity} are too few`)
      }
      await line.say({ say: 'list', name, capacity })
      return {}
    },
  },
  {
    ...{ service, name: 'GetPlayerCapacity', verb: 'GET', path: /^\/alpha\/player\/capacity$/ },
    run: async ({ line }) => ({ count: String((await players(line)).capacity) }),
  },
  {
    ...{ service, name: 'GetPlayerCount', verb: 'GET', path: /^\/alpha\/player\/count$/ },
    run: async ({ line }) => ({ count: String((await players(line)).values.length) }),
  },
  {
    ...{ service, name: 'IsPlayerConnected', verb: 'GET', path: /^\/alpha\/player\/connected\/([^/]+)$/ },
    request: (_, playerID) => ({ playerID }),
    run: async ({ line }, request) => {
      const player = playerIn(request)
      return { bool: (await players(line)).values.includes(player) }
    },
  },
  {
    ...{ service, name: 'GetConnectedPlayers', verb: 'GET', path: /^\/alpha\/player\/connected$/ },
    run: async ({ line }) => ({ list: (await players(line)).values }),
  },
]

/** @returns false when it is so already, which the ApiServer says with this code. */
async function changes(line: Line, word: Word, isSoAlready: SdkCode): Promise<Message> {
  await players(line)
  try {
    await line.say(word)
    return { bool: true }
  } catch (error) {
    if (error instanceof SdkError && error.code === isSoAlready) return { bool: false }
    throw error
  }
}

async function players(line: Line): Promise<List> {
  const list = (await line.self()).lists[name]
  if (list) return list
  throw new SdkError(
    'NOT_FOUND',
    `players are tracked in the list "${name}"; declare it as \`lists\` in the blueprint`,
  )
}

function playerIn({ playerID }: Message): string {
  return textOf(playerID, 'playerID', 256)
}
