// Asks games how they are, through gamedig, which runs in a thread of its own: see gameThread.ts.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { parentPort } from 'node:worker_threads'
import { GameDig } from 'gamedig'
import { within } from '../../../shared/loop.ts'
import type { Players } from '../shipMeter.ts'
import type { GameAnswer, GameQuery } from './gameThread.ts'

const mostBytes = 64 * 1_024 * 1_024

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
  const gamedig = new GameDig()
  const socket = await ownSocket(gamedig)
  const watched = setInterval(endWhenFull, 50)
  try {
    const asked = gamedig.query(query).catch((error: unknown) => {
      throw plain(error, game, port)
    })
    return playersOf(await within(asked, timeoutMs + 250, late), game)
  } finally {
    clearInterval(watched)
    socket.close()
  }
}

/**
 * For one query. Of its own accord gamedig has one for all, which others may share: a ship on the host's network that
 * saw its port could take what other ships answer there.
 */
async function ownSocket({ queryRunner: { udpSocket } }: GameDig): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.on('error', () => undefined)
  socket.on('message', (data, { address, port }) => {
    for (const hear of udpSocket.callbacks) hear(address, port, data)
  })
  socket.bind()
  await once(socket, 'listening')
  udpSocket.socket = socket
  return socket
}

/** Answers without an end would be kept whole, outside of what a thread's own limits count. */
function endWhenFull(): void {
  if (process.memoryUsage().arrayBuffers > mostBytes) process.exit(1)
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
