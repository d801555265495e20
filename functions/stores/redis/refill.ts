// Whether Redis still has what it was given; what it has lost it gets back.
//
// INVARIANTS
// - A mark of this ApiServer stands in Redis. It is set before anything is given back, so that a Redis that is
//   emptied meanwhile has lost the mark as well, and is noticed at the next look.
// - A look that fails, and a new connection, count as a loss: nobody knows what happened meanwhile.
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { Bell, loop } from '../../../shared/loop.ts'
import { redisKeys } from '../keys.ts'
import { answered } from './redis.ts'

const lookEveryMs = 500
/** Marks of ApiServers that are gone go by themselves. */
const markSeconds = 3_600

export class Refill {
  /** Key of the mark: who reads something together with it knows whether Redis was emptied before. */
  readonly mark = redisKeys.mark(randomUUID())
  readonly #redis: Redis
  readonly #log: Log
  readonly #bell = new Bell()
  #lossAtMs = performance.now()
  #owed = true
  #failing = false

  constructor(redis: Redis, log: Log) {
    this.#redis = redis
    this.#log = log
    redis.on('ready', () => {
      this.#lose()
      this.#bell.ring()
    })
  }

  /** For how long Redis has answered and kept everything, as far as this ApiServer has looked. */
  get keptMs(): number {
    return this.#owed ? 0 : performance.now() - this.#lossAtMs
  }

  /** Looks until the signal fires. @param givers put back what they know, each within limits of its own. */
  async run(givers: readonly (() => Promise<void>)[], signal: AbortSignal): Promise<void> {
    const options = { name: 'refill', everyMs: lookEveryMs, signal, log: this.#log, bell: this.#bell }
    await loop(options, () => this.#look(givers))
  }

  async #look(givers: readonly (() => Promise<void>)[]): Promise<void> {
    if (this.#redis.status !== 'ready') return this.#lose()
    try {
      const before = await answered(this.#redis.set(this.mark, '1', 'EX', markSeconds, 'GET'))
      if (before === null) this.#lose()
      if (!this.#owed) return
      const given = await Promise.allSettled(givers.map((give) => give()))
      const failed = given.find((one) => one.status === 'rejected')
      if (failed) throw failed.reason
      this.#owed = false
      this.#failing = false
      this.#log.info({}, 'Redis has what this ApiServer knows')
    } catch (error) {
      // Not left to the loop, whose pauses grow: what is missing is seen by everybody.
      this.#lose()
      if (!this.#failing) this.#log.warn({ error: messageOf(error) }, 'Redis cannot be refilled yet')
      this.#failing = true
    }
  }

  #lose(): void {
    this.#owed = true
    this.#lossAtMs = performance.now()
  }
}
