// The part of the gamedig library that the query probe uses; the library has no types.
declare module 'gamedig' {
  interface Query {
    type: string
    host: string
    port: number
    givenPortOnly?: boolean
    socketTimeout?: number
    attemptTimeout?: number
    maxRetries?: number
  }
  interface Answer {
    map?: unknown
    maxplayers?: unknown
    numplayers?: unknown
    players?: unknown
  }
  type Hear = (address: string, port: number, data: Buffer) => void
  export class GameDig {
    /** Inside of it; its socket is made when it is first needed, if there is none. */
    readonly queryRunner: { udpSocket: { socket: import('node:dgram').Socket | null; callbacks: Set<Hear> } }
    query(query: Query): Promise<Answer>
    static query(query: Query): Promise<Answer>
  }
  export const games: Record<string, unknown>
}
