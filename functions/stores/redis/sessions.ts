// Sessions between ApiServers that do not know each other: calls, chunks and what was taken of them, through Redis.
//
// INVARIANTS
// - Nothing of a session is kept: chunks are published, and when nobody hears them the session is over.
// - Whoever publishes says for which host; a host's agent is heard in its own sessions only.
// - The line of a console session is handed out once.
import type { Redis } from 'ioredis'
import type { Log } from '../../../shared/log.ts'
import { loop } from '../../../shared/loop.ts'
import type { ChunkAnswer, SessionCall } from '../../../shared/model/session.ts'
import { redisKeys } from '../keys.ts'
import { answered, keepListening, onMessage } from './redis.ts'

/** A dead reader's note of what it has taken goes after this; a living one writes it every few seconds. */
const takenSeconds = 30
const lineSeconds = 15
const checkMs = 3_000

type Hear = (text: string) => void

export class SessionStore {
  readonly #redis: Redis
  readonly #subscriber: Redis
  readonly #over = new AbortController()
  readonly #hearing = new Map<string, Hear>()
  readonly #checking: Promise<void>
  #onCall: (host: string, call: string) => void = () => undefined

  /** @param subscriber a connection for this alone. */
  constructor(redis: Redis, subscriber: Redis, log: Log) {
    this.#redis = redis
    this.#subscriber = subscriber
    onMessage(subscriber, log, (channel, text) => this.#heard(channel, text))
    keepListening(subscriber, () => [redisKeys.sessionCalls, ...this.#hearing.keys()])
    // A connection that only listens does not notice by itself that nobody is there any more.
    this.#checking = loop(
      { name: 'sessions', everyMs: checkMs, signal: this.#over.signal, log },
      async () => {
        await subscriber.subscribe(redisKeys.sessionCalls).catch(() => subscriber.disconnect(true))
      },
    )
  }

  /** Hears of every call, for any host. */
  onCall(listener: (host: string, call: string) => void): void {
    this.#onCall = listener
  }

  async call(host: string, call: SessionCall): Promise<void> {
    await answered(this.#redis.publish(redisKeys.sessionCalls, `${host} ${JSON.stringify(call)}`))
  }

  /** Hears the chunks of a session. @returns a function that ends it. @throws ArmadaError unavailable */
  async listen(host: string, session: string, hear: Hear): Promise<() => void> {
    const channel = redisKeys.sessionChunks(host, session)
    const end = () => {
      this.#hearing.delete(channel)
      this.#subscriber.unsubscribe(channel).catch(() => undefined)
      this.#redis.del(redisKeys.sessionTaken(host, session)).catch(() => undefined)
    }
    this.#hearing.set(channel, hear)
    try {
      await answered(this.#subscriber.subscribe(channel))
    } catch (error) {
      end()
      throw error
    }
    return end
  }

  /** Notes how many chunks the reader has taken: what the agent may send depends on it. */
  take(host: string, session: string, count: number): void {
    this.#redis.set(redisKeys.sessionTaken(host, session), count, 'EX', takenSeconds).catch(() => undefined)
  }

  async offerLine(host: string, session: string, line: string): Promise<void> {
    await answered(this.#redis.set(redisKeys.sessionLine(host, session), line, 'EX', lineSeconds))
  }

  /** Passes a chunk on. @returns undefined when nobody listens. @throws ArmadaError unavailable */
  async pass(
    host: string,
    session: string,
    chunk: string,
    wantsLine: boolean,
  ): Promise<ChunkAnswer | undefined> {
    const [heard, taken, line] = await answered(
      Promise.all([
        this.#redis.publish(redisKeys.sessionChunks(host, session), chunk),
        this.#redis.get(redisKeys.sessionTaken(host, session)),
        wantsLine ? this.#redis.getdel(redisKeys.sessionLine(host, session)) : null,
      ]),
    )
    return heard === 0 ? undefined : { taken: taken === null ? null : Number(taken), line }
  }

  async close(): Promise<void> {
    this.#over.abort()
    this.#subscriber.disconnect()
    await this.#checking
  }

  #heard(channel: string, text: string): void {
    this.#hearing.get(channel)?.(text)
    if (channel !== redisKeys.sessionCalls) return
    const space = text.indexOf(' ')
    if (space > 0) this.#onCall(text.slice(0, space), text.slice(space + 1))
  }
}
