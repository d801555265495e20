// Asks a gameserver of the quickstart what any game browser would ask it.
import { GameDig } from 'gamedig'
import type { ShipView } from '../../shared/model/ship.ts'

export interface GameAnswer {
  players: number
  maxPlayers: number
  map: string
}

/** Undefined when the game does not answer. */
export async function askGame(ship: ShipView): Promise<GameAnswer | undefined> {
  const port = ship.ports.find((one) => one.hostPort !== null)?.hostPort
  if (!port || !ship.address) return undefined
  try {
    const answer = await GameDig.query({
      type: 'openarena',
      host: ship.address,
      port,
      givenPortOnly: true,
      socketTimeout: 1_000,
    })
    const { numplayers, maxplayers, map } = answer
    return { players: Number(numplayers ?? 0), maxPlayers: Number(maxplayers), map: String(map) }
  } catch {
    return undefined
  }
}
