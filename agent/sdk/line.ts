// One ship's line to the ApiServer: what it says goes out in order, and what it is comes back.
//
// INVARIANTS
// - One request is under way at a time; words said meanwhile go together with the next.
// - A word is answered once it is in effect and durable, or was refused. Until then it is sent again with the same
//   number, up to its limit; after that nobody knows, and it is told so.
// - Pictures of the ship only get newer.
import { answerOf, type Client } from '../../shared/api/client.ts'
import { ArmadaError, messageOf } from '../../shared/errors.ts'
import { pauseAfter, sleep } from '../../shared/loop.ts'
import type { ShipSelf, Word } from '../../shared/model/word.ts'
import { type Traced, traceHeaders } from '../../shared/trace.ts'
import type { ShipAttempt } from '../roster.ts'
import { SdkError } from './sdkError.ts'

/** A word that the ApiServer has not taken by then is given up. */
const limitMs = 20_000
const mostWaiting = 1_000
const mostTogether = 100
/** What each leaves unread waits in the memory of the agent. */
const mostWatchers = 16
/** The longest that a timer can wait: 24 days. */
const longestMs = 2 ** 31 - 1

export interface LineOptions {
  of: ShipAttempt & Traced
  api: Client
  /** The word is in effect. */
  onTaken: (word: Word) => void
  signal: AbortSignal
}

interface Said {
  word: Word
  number: number
  untilMs: number
  taken: (self: ShipSelf) => void
  failed: (error: SdkError) => void
}

export class Line {
  readonly #options: LineOptions
  readonly #watchers = new Set<(self: ShipSelf) => void>()
  #self: ShipSelf | undefined
  #waiting: Said[] = []
  #asking: Promise<void> | undefined
  #number = 0
  #reservation: NodeJS.Timeout | undefined
  /** When it last pinged, by the monotonic clock. */
  pingedAtMs: number | undefined
  onPing: () => void = () => undefined

  constructor(options: LineOptions) {
    this.#options = options
    options.signal.addEventListener('abort', () => this.#close(), { once: true })
  }

  ping(): void {
    this.pingedAtMs = performance.now()
    this.onPing()
  }

  /** @returns the ship as it is with the word in effect. @throws SdkError */
  say(word: Word): Promise<ShipSelf> {
    if (this.#options.signal.aborted) return Promise.reject(ended())
    if (this.#waiting.length >= mostWaiting) {
      const detail = `${mostWaiting} calls of this ship wait already; wait for their answers`
      return Promise.reject(new SdkError('RESOURCE_EXHAUSTED', detail))
    }
    return new Promise((taken, failed) => {
      this.#waiting.push({ word, number: 0, untilMs: performance.now() + limitMs, taken, failed })
      void this.#send()
    })
  }

  /** The ship as it was last told. @throws SdkError */
  async self(): Promise<ShipSelf> {
    const untilMs = performance.now() + limitMs
    while (!this.#self) {
      if (this.#options.signal.aborted) throw ended()
      if (performance.now() > untilMs) throw unavailable('the ApiServer does not answer')
      await this.refresh().catch(() => sleep(250, this.#options.signal))
    }
    return this.#self
  }

  /** Asks what the ship is now. @throws SdkError */
  async refresh(): Promise<void> {
    if (this.#asking) return this.#asking
    this.#asking = this.#request([]).then(
      () => undefined,
      (error: unknown) => {
        throw unavailable(messageOf(error))
      },
    )
    try {
      await this.#asking
    } finally {
      this.#asking = undefined
    }
  }

  /** A picture of the ship, from whoever had it. */
  learn(self: ShipSelf): void {
    const { of } = this.#options
    if (self.ship !== of.ship || self.attempt !== of.attempt) return
    if (this.#self && self.revision <= this.#self.revision) return
    this.#self = self
    this.#watchReservation()
    for (const watcher of this.#watchers) watcher(self)
  }

  get isKnown(): boolean {
    return this.#self !== undefined
  }

  /** @returns a function that ends it. @throws SdkError RESOURCE_EXHAUSTED */
  watch(watcher: (self: ShipSelf) => void): () => void {
    if (this.#watchers.size >= mostWatchers) {
      throw new SdkError('RESOURCE_EXHAUSTED', `${mostWatchers} watch this ship already; end some first`)
    }
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  #sending = false

  async #send(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    const { signal } = this.#options
    for (let failures = 0; this.#waiting.length > 0 && !signal.aborted; ) {
      try {
        if (!this.#self) await this.#request([])
        await this.#sendSome()
        failures = 0
      } catch (error) {
        if (isOver(error)) this.#failAll(new SdkError('FAILED_PRECONDITION', messageOf(error)))
        this.#giveUpLate(error)
        await pauseAfter(failures++, 50, 1_000, signal)
      }
    }
    this.#sending = false
  }

  async #sendSome(): Promise<void> {
    for (const said of this.#waiting) if (said.number === 0) said.number = this.#nextNumber()
    const [first] = this.#waiting
    if (!first) return
    // Given up words leave gaps in the numbers, and a request has none.
    const batch = this.#waiting.slice(0, mostTogether).filter((said, i) => said.number === first.number + i)
    const { taken, refused, self } = await this.#request(batch)
    if (taken === 0 && !refused) throw new Error('the ApiServer took nothing of what the ship said')
    for (const said of batch.slice(0, taken)) {
      this.#options.onTaken(said.word)
      said.taken(self)
    }
    if (refused) batch[taken]?.failed(new SdkError(refused.code, refused.detail))
    const done = new Set(batch.slice(0, taken + (refused ? 1 : 0)))
    this.#waiting = this.#waiting.filter((said) => !done.has(said))
  }

  async #request(batch: readonly Said[]) {
    const { of, api } = this.#options
    const words = batch.map((said) => said.word)
    const json = { attempt: of.attempt, first: batch[0]?.number ?? 1, words }
    const answer = await answerOf(
      api.v1.monitor.ships[':ship'].words.$post(
        { param: { ship: of.ship }, json },
        { headers: traceHeaders([of]) },
      ),
    )
    this.learn(answer.self)
    return answer
  }

  /** By the clock, so that the numbers of the agent before this one are lower, and also above what was taken. */
  #nextNumber(): number {
    this.#number = Math.max(Date.now(), this.#number + 1, (this.#self?.said ?? 0) + 1)
    return this.#number
  }

  #giveUpLate(error: unknown): void {
    const nowMs = performance.now()
    const late = this.#waiting.filter((said) => said.untilMs < nowMs)
    this.#waiting = this.#waiting.filter((said) => said.untilMs >= nowMs)
    for (const said of late) said.failed(unavailable(messageOf(error)))
  }

  #failAll(error: SdkError): void {
    for (const said of this.#waiting.splice(0)) said.failed(error)
  }

  #watchReservation(leastMs = 0): void {
    clearTimeout(this.#reservation)
    const until = this.#self?.state === 'Reserved' ? this.#self.reservedUntil : null
    if (!until) return
    const leftMs = Math.min(longestMs, Math.max(leastMs, Date.parse(until) - Date.now()))
    this.#reservation = setTimeout(() => {
      if (Date.now() < Date.parse(until)) return this.#watchReservation()
      this.say({ say: 'expire', until }).catch(() => this.#watchReservation(1_000))
    }, leftMs)
  }

  #close(): void {
    clearTimeout(this.#reservation)
    this.#failAll(ended())
    this.#watchers.clear()
  }
}

/** Another try would not help: the ship is not this host's any more, or the ApiServer is older than this agent. */
function isOver(error: unknown): boolean {
  return error instanceof ArmadaError && ['conflict', 'not_found', 'invalid_request'].includes(error.code)
}

function ended(): SdkError {
  return new SdkError('UNAVAILABLE', 'the ship is not served any more')
}

function unavailable(why: string): SdkError {
  return new SdkError('UNAVAILABLE', `not known whether this took effect: ${why}; try again`)
}
