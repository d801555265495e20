// Asks games how they are, through gamedig, which runs in a thread of its own: see gameThread.ts.
import { parentPort } from 'node:worker_threads'
import { GameDig } from 'gamedig'
import { within } from '../../../shared/loop.ts'
import type { Players } from '../shipMeter.ts'
import type { GameAnswer, GameQuery } from './gameThread.ts'

parentPort?.on('message', async ({ id, ...query }: GameQuery) => {
  const answer: GameAnswer = await ask(query).then(
    (players) => ({ id, players }),
    (error: Error) => ({ id, error: error.message }),
  )
  parentPort?.postMessage(answer)
})

parentPort?.postMessage('begun' satisfies GameAnswer)

async function ask({ game, address, port, timeoutMs }: Omit<GameQuery, 'id'>): Promise<Players> {
  const limits = { socketTimeout: timeoutMs, attemptTimeout: timeoutMs, maxRetries: 0 }
  const query = { type: game, host: address, port, givenPortOnly: true, ...limits }
  const late = (): Error => new Error(`no answer to the ${game} query within ${timeoutMs} ms`)
  const asked = GameDig.query(query).catch((error: unknown) => {
    throw plain(error, game, port)
  })
  const answer = await within(asked, timeoutMs + 250, late)
  return playersOf(answer, game)
}

/** gamedig wraps what went wrong in several lines of what it tried. */
function plain(error: unknown, game: string, port: number): Error {
  const text = error instanceof Error ? error.message : String(error)
  if (/Invalid game|Protocol definition/.test(text)) {
    return new Error(`gamedig knows no game "${game}"; its list of games says how it is called`)
  }
  return new Error(`the ${game} query on port ${port} got no usable answer`)
}

/** gamedig takes random bytes for an answer now and then: numbers that cannot be are none. */
export function playersOf(
  answer: { numplayers?: unknown; players?: unknown; maxplayers?: unknown; map?: unknown },
  game: string,
): Players {
  const count = answer.numplayers ?? (Array.isArray(answer.players) ? answer.players.length : undefined)
  const players = wholeNumber(count)
  const maxPlayers = wholeNumber(answer.maxplayers)
  const map = typeof answer.map === 'string' && answer.map !== '' ? answer.map.slice(0, 128) : null
  if (players !== null && maxPlayers !== null && players <= maxPlayers) return { players, maxPlayers, map }
  throw new Error(`the ${game} query was answered with nonsense: ${count} of ${answer.maxplayers} players`)
}

function wholeNumber(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= 1_000_000
    ? number
    : null
}
