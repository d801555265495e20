// Well when the game answers its own query, asked through gamedig; also tells players and map.
import { GameThread } from './gameThread.ts'
import type { Ask } from './probe.ts'

/** 30 MB of a library that most hosts never need: begun by the first query. */
const thread = new GameThread()

export function askQuery(game: string): Ask {
  return ({ address, port, timeoutMs }) => thread.ask({ game, address, port, timeoutMs })
}
