// The deliverer of one webhook: reads its events, sends them, and knows what to report of it.
//
// INVARIANTS
// - What is read is bounded: past it the stream is closed, and read on from the same place when there is room. So a
//   webhook that fails holds up nobody, and what waits for it waits where events are kept.
// - A message that was given up counts as settled only in the report that carries it as a dead letter; a report that
//   was not acknowledged is made again with the same letters.
import { z } from 'zod'
import { type DeliveryReport, lettersInReport, type Outlet } from '../../../../shared/api/deliveries.ts'
import { messageOf } from '../../../../shared/errors.ts'
import type { Log } from '../../../../shared/log.ts'
import { Bell, backoffMs, sleep } from '../../../../shared/loop.ts'
import { type DeadLetter, wants } from '../../../../shared/model/webhook.ts'
import { type Delivery, DeliveryQueue } from './deliveryQueue.ts'
import type { Sender } from './sender.ts'

/** What the stream of events gives: see GET /v1/events. */
export interface StreamedEvent {
  event: string
  id: string | undefined
  data: string
}

/** Opens the stream behind an event's id. It goes on until it breaks or the signal fires. */
export type EventSource = (after: string, signal: AbortSignal) => AsyncIterable<StreamedEvent>

export interface DelivererParts {
  events: EventSource
  sender: Pick<Sender, 'send' | 'close'>
  /** A dead letter that is to be sent again; undefined: it is gone. */
  letterOf: (id: string) => Promise<DeadLetter | undefined>
  log: Log
}

const mostRead = 1_000
const firstPauseMs = 1_000
const longestPauseMs = 300_000
/** What only says that nothing happened is reported so often: each report is a write in etcd. */
const idleReportMs = 30_000

/** What is looked at; the whole event goes out as it came. */
const Told = z.looseObject({
  type: z.string(),
  at: z.string(),
  ship: z.string().nullable(),
  fleet: z.string().nullable(),
})

export class Deliverer {
  readonly #parts: DelivererParts
  readonly #queue: DeliveryQueue
  readonly #bell = new Bell()
  readonly #room = new Bell()
  readonly #stopped = new AbortController()
  #outlet: Outlet
  #letters: DeadLetter[] = []
  #redelivered: string[] = []
  #news = { delivered: 0, gaps: 0 }
  #lastDeliveryAt: string | null = null
  #lastFailure: DeliveryReport['lastFailure'] = null
  #failingSince: string | null
  #disable: DeliveryReport['disable'] = null
  #urgent = false
  #reportedAtMs = 0
  #reportedCursor: string

  constructor(outlet: Outlet, parts: DelivererParts) {
    this.#parts = parts
    this.#outlet = outlet
    this.#queue = new DeliveryQueue(outlet.progress.cursor)
    this.#failingSince = outlet.progress.failingSince
    this.#reportedCursor = outlet.progress.cursor
  }

  get outlet(): Outlet {
    return this.#outlet
  }

  /** It has stopped because the receiver wants no more. */
  get halted(): boolean {
    return this.#disable !== null
  }

  /** What admins changed counts for everything that is not in flight. */
  async update(outlet: Outlet): Promise<void> {
    this.#outlet = outlet
    for (const id of outlet.redeliver) {
      if (this.#queue.hasBeside(id) || this.#queue.size >= mostRead) continue
      const letter = await this.#parts.letterOf(id)
      if (letter?.redeliver) this.#queue.addBeside(id, letter.message)
    }
    this.#bell.ring()
  }

  /** Reads and delivers until it is stopped. */
  async run(): Promise<void> {
    const { signal } = this.#stopped
    try {
      await Promise.all([this.#read(signal), this.#deliver(signal)])
    } finally {
      this.stop()
      await this.#parts.sender.close()
    }
  }

  stop(): void {
    this.#stopped.abort()
  }

  /** What there is to report; undefined: nothing that could not wait. */
  report(nowMs: number): DeliveryReport | undefined {
    const moved = this.#reportedCursor !== this.#queue.cursor
    const idle = nowMs - this.#reportedAtMs < idleReportMs
    if (!this.#urgent && (idle || !(moved || this.#queue.size > 0))) return undefined
    this.#urgent = false
    const letters = this.#letters.slice(0, lettersInReport)
    for (const { id } of letters) this.#queue.settle(id)
    return {
      ...{ webhook: this.#outlet.name, made: this.#outlet.made },
      ...{ cursor: this.#queue.cursor, pending: this.#queue.size, ...this.#news },
      ...{ lastDeliveryAt: this.#lastDeliveryAt, failingSince: this.#failingSince },
      ...{ lastFailure: this.#lastFailure, disable: this.#disable },
      letters,
      redelivered: this.#redelivered.slice(0, lettersInReport),
    }
  }

  /** The report has been written. */
  reported({ letters, redelivered, delivered, gaps, cursor }: DeliveryReport, nowMs: number): void {
    this.#letters.splice(0, letters.length)
    this.#redelivered.splice(0, redelivered.length)
    this.#news.delivered -= delivered
    this.#news.gaps -= gaps
    this.#reportedAtMs = nowMs
    this.#reportedCursor = cursor
    if (this.#letters.length + this.#redelivered.length > 0) this.#urgent = true
    this.#room.ring()
  }

  /** The report may not have been written: the next one says all of it again. */
  unreported(): void {
    this.#urgent = true
  }

  async #read(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      while (this.#queue.size >= mostRead / 2 && !signal.aborted) await this.#room.wait(1_000, signal)
      try {
        for await (const streamed of this.#parts.events(this.#queue.seen, signal)) {
          failures = 0
          this.#take(streamed)
          if (this.#queue.size >= mostRead || signal.aborted) break
        }
      } catch (error) {
        if (signal.aborted) return
        const fields = { webhook: this.#outlet.name, error: messageOf(error) }
        this.#parts.log.warn(fields, 'the events of a webhook cannot be read; trying again')
      }
      await sleep(backoffMs(Math.min(failures++, 6), 100, 5_000), signal)
    }
  }

  #take({ event, id, data }: StreamedEvent): void {
    if (id === undefined) return
    if (event === 'bookmark') this.#queue.skip(id)
    if (event === 'reset') this.#tellOfGap(id)
    if (event === 'event') {
      const told = parsed(data)
      if (!told) {
        this.#parts.log.error(
          { webhook: this.#outlet.name, id },
          'an event could not be read and is left out',
        )
        this.#queue.skip(id)
      } else if (wants(this.#outlet, told.type, told.fleet)) {
        const lane = told.ship === null ? `fleet ${told.fleet}` : `ship ${told.ship}`
        this.#queue.add(id, lane, { type: told.type, timestamp: told.at, data: told })
      } else this.#queue.skip(id)
    }
    this.#bell.ring()
  }

  #tellOfGap(from: string): void {
    const after = this.#queue.seen
    const { log } = this.#parts
    log.error(
      { webhook: this.#outlet.name, after, from },
      'events were no longer kept and could not be delivered',
    )
    this.#news.gaps++
    this.#urgent = true
    const timestamp = new Date().toISOString()
    // The notice stands where the events were lost: a leader that begins there meets the loss again.
    this.#queue.add(`gap-${from}`, 'gap', { type: 'webhook.gap', timestamp, data: { after, from } })
    this.#queue.skip(from)
  }

  async #deliver(signal: AbortSignal): Promise<void> {
    const flights = new Set<Promise<void>>()
    while (!signal.aborted) {
      for (const delivery of this.#queue.due(performance.now())) {
        const flight = this.#fly(delivery, signal).finally(() => flights.delete(flight))
        flights.add(flight)
      }
      const idleMs = this.#queue.idleMs(performance.now())
      await this.#bell.wait(Math.min(idleMs, 60_000), signal)
    }
    await Promise.all(flights)
  }

  async #fly(delivery: Delivery, signal: AbortSignal): Promise<void> {
    const { url, secrets, attempts } = this.#outlet
    const { id, message, tries } = delivery
    const outcome = await this.#parts.sender.send({ url, id, body: JSON.stringify(message), secrets }, signal)
    if (signal.aborted && outcome.is !== 'delivered') return
    const at = new Date().toISOString()
    this.#urgent = true
    if (outcome.is === 'delivered') {
      this.#queue.delivered(delivery)
      this.#news.delivered++
      this.#lastDeliveryAt = at
      this.#failingSince = null
      if (delivery.beside) this.#redelivered.push(id)
    } else {
      const { reason } = outcome
      this.#lastFailure = { at, reason }
      this.#failingSince ??= at
      const pauseMs = Math.max(pauseAfter(tries), outcome.is === 'failed' ? (outcome.waitMs ?? 0) : 0)
      if (outcome.is === 'failed' && tries >= attempts) {
        this.#queue.giveUp(delivery)
        this.#letters.push({ id, message, attempts: tries, failedAt: at, reason, redeliver: false })
      } else this.#queue.retry(delivery, performance.now() + pauseMs)
      if (outcome.is === 'gone') this.#halt(reason)
      else if (outcome.waitMs) this.#queue.hold(performance.now() + outcome.waitMs)
      this.#parts.log.debug({ webhook: this.#outlet.name, id, tries, reason }, 'a delivery failed')
    }
    this.#bell.ring()
    this.#room.ring()
  }

  #halt(reason: string): void {
    this.#queue.hold(Number.POSITIVE_INFINITY)
    this.#disable = { reason, revision: this.#outlet.revision }
    this.#parts.log.warn({ webhook: this.#outlet.name, reason }, 'a webhook is disabled')
  }
}

/** Doubles, and is spread over its upper half, so that many do not come back at one moment. */
export function pauseAfter(tries: number, random = Math.random()): number {
  const fullMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (tries - 1))
  return fullMs * (0.5 + random / 2)
}

function parsed(data: string): z.infer<typeof Told> | undefined {
  try {
    return Told.parse(JSON.parse(data))
  } catch {
    return undefined
  }
}
