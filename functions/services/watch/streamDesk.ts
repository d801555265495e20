// Who holds a stream of events open here: how many there may be, and when they end.

import { ArmadaError } from '../../../shared/errors.ts'
import type { Caller } from '../../middleware/callers.ts'

/** After this time, more or less, a stream is ended and its reader comes back: so they spread over new ApiServers. */
const longestMs = 20 * 60_000

export interface StreamLimits {
  /** Streams at this ApiServer. */
  total?: number
  /** Streams of one caller at this ApiServer. */
  perCaller?: number
  /** A reader that takes nothing for so long is cut off; until then it costs one frame and its place in the log. */
  stallMs?: number
}

export interface OpenStream {
  caller: Caller
  /** Fires when the stream is to end. */
  signal: AbortSignal
  stallMs: number
  /** Ends it; may be called again. */
  end(): void
}

export class StreamDesk {
  readonly #total: number
  readonly #perCaller: number
  readonly #stallMs: number
  readonly #open = new Set<OpenStream>()
  readonly #byCaller = new Map<string, number>()
  #closed = false

  constructor({ total = 1_000, perCaller = 200, stallMs = 30_000 }: StreamLimits = {}) {
    this.#total = total
    this.#perCaller = perCaller
    this.#stallMs = stallMs
  }

  get size(): number {
    return this.#open.size
  }

  /** @throws ArmadaError too_many_streams, or unavailable when this ApiServer takes no more. */
  open(reader: Caller): OpenStream {
    const { role, name, token } = reader
    if (this.#closed || this.#open.size >= this.#total) {
      const why = this.#closed ? 'is stopping' : `serves ${this.#total} streams already`
      throw new ArmadaError('unavailable', `This ApiServer ${why}. Try again; another one may have room.`, {
        retryAfterSeconds: 1,
      })
    }
    const caller = `${role}:${name}`
    const count = this.#byCaller.get(caller) ?? 0
    if (count >= this.#perCaller) {
      throw new ArmadaError(
        'too_many_streams',
        `"${name}" holds ${count} streams open here. Close some, or read one stream and share what it tells.`,
        { retryAfterSeconds: 10 },
      )
    }
    this.#byCaller.set(caller, count + 1)
    const ending = new AbortController()
    const stream: OpenStream = {
      caller: reader,
      signal: ending.signal,
      stallMs: this.#stallMs,
      end: () => {
        clearTimeout(timer)
        ending.abort()
        if (!this.#open.delete(stream)) return
        const left = (this.#byCaller.get(caller) ?? 1) - 1
        if (left > 0) this.#byCaller.set(caller, left)
        else this.#byCaller.delete(caller)
      },
    }
    const untilExpiryMs = token?.expiresAt ? Date.parse(token.expiresAt) - Date.now() : longestMs
    const timer = setTimeout(stream.end, Math.min(untilExpiryMs, longestMs * (0.75 + Math.random() / 2)))
    this.#open.add(stream)
    return stream
  }

  /** Ends the streams of a token that was changed or taken back; who still may comes back. */
  endOf(token: string): void {
    for (const stream of [...this.#open]) if (stream.caller.token?.name === token) stream.end()
  }

  /** Ends all streams; their readers go on elsewhere. */
  close(): void {
    this.#closed = true
    for (const stream of [...this.#open]) stream.end()
  }
}
