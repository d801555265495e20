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
  export const GameDig: { query(query: Query): Promise<Answer> }
  export const games: Record<string, unknown>
}
