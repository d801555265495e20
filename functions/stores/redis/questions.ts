// Questions to the leading scheduler, from the ApiServer that is asked to the one where the leader waits.
//
// INVARIANTS
// - Nothing is kept: a question that nobody took in time, or whose asker is gone, is passed over.
// - A question is handed out once, to whoever takes it; who may take, the caller decides.
import type { Redis } from 'ioredis'
import { ArmadaError } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { Bell } from '../../../shared/loop.ts'
import { randomId } from '../../../shared/model/name.ts'
import type { Question, Reply } from '../../../shared/model/question.ts'
import { redisKeys } from '../keys.ts'
import { answered, keepListening, onMessage } from './redis.ts'

export interface Asked {
  id: string
  question: Question
}

/** Questions that may wait for the scheduler at a time. */
const mostWaiting = 20
const keptSeconds = 10
/** From one wait of the scheduler to its next. */
const graceMs = 2_000

export class QuestionStore {
  readonly #redis: Redis
  readonly #subscriber: Redis
  readonly #waiting = new Map<string, (reply: Reply) => void>()
  readonly #rung = new Bell()

  /** @param subscriber a connection for this alone. */
  constructor(redis: Redis, subscriber: Redis, log: Log) {
    this.#redis = redis
    this.#subscriber = subscriber
    onMessage(subscriber, log, (channel, text) => {
      if (channel === redisKeys.questionRing) this.#rung.ring()
      else this.#waiting.get(channel)?.(JSON.parse(text))
    })
    keepListening(subscriber, () => [redisKeys.questionRing, ...this.#waiting.keys()])
  }

  /** @throws ArmadaError unavailable when no scheduler answers in time. */
  async ask(question: Question, limitMs: number): Promise<Reply> {
    const id = randomId()
    const channel = redisKeys.reply(id)
    const asked = JSON.stringify({ id, question, untilMs: Date.now() + limitMs })
    let late: NodeJS.Timeout | undefined
    const reply = new Promise<Reply | undefined>((resolve) => {
      this.#waiting.set(channel, resolve)
      late = setTimeout(resolve, limitMs, undefined)
    })
    try {
      if ((await answered(this.#redis.get(redisKeys.questionListener))) === null)
        throw nobody('none waits for questions: none leads, or it has just begun')
      await answered(this.#subscriber.subscribe(channel))
      const waiting = await answered(this.#redis.rpush(redisKeys.questions, asked))
      await answered(this.#redis.expire(redisKeys.questions, keptSeconds))
      if (waiting > mostWaiting) await answered(this.#redis.lrem(redisKeys.questions, -1, asked))
      if (waiting > mostWaiting) throw nobody(`${mostWaiting} questions wait for it already`)
      await answered(this.#redis.publish(redisKeys.questionRing, ''))
      const heard = await reply
      if (heard) return heard
      await answered(this.#redis.lrem(redisKeys.questions, 1, asked))
      throw nobody(`it has not answered within ${limitMs / 1_000} s, or none leads`)
    } finally {
      clearTimeout(late)
      this.#waiting.delete(channel)
      this.#subscriber.unsubscribe(channel).catch(() => undefined)
    }
  }

  /** The next question; undefined when there was none for so long. */
  async take(waitMs: number, signal: AbortSignal): Promise<Asked | undefined> {
    const endMs = performance.now() + waitMs
    // Subscribed again each time: a connection that only listens does not notice that it is cut.
    await answered(this.#subscriber.subscribe(redisKeys.questionRing))
    await answered(this.#redis.set(redisKeys.questionListener, '1', 'PX', waitMs + graceMs))
    while (!signal.aborted) {
      for (;;) {
        const text = await answered(this.#redis.lpop(redisKeys.questions))
        if (text === null) break
        const { id, question, untilMs } = JSON.parse(text)
        if (untilMs > Date.now()) return { id, question }
      }
      const leftMs = endMs - performance.now()
      if (leftMs <= 0) return undefined
      await this.#rung.wait(leftMs, signal)
    }
    return undefined
  }

  /** @returns false when nobody waits for it any more. */
  async reply(id: string, reply: Reply): Promise<boolean> {
    return (await answered(this.#redis.publish(redisKeys.reply(id), JSON.stringify(reply)))) > 0
  }

  close(): void {
    this.#subscriber.disconnect()
  }
}

function nobody(what: string): ArmadaError {
  const detail = `The leading scheduler is asked for this, and ${what}. GET /v1/cluster shows who leads. Try again.`
  return new ArmadaError('unavailable', detail, { retryAfterSeconds: 2 })
}
