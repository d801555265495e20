// The queue of one webhook: which delivery is due, and up to where everything is settled. It knows no clock.
//
// STATES  waiting → flying → settled, or waiting again (retry), or given up → settled once that is recorded
//
// INVARIANTS
// - Of each lane (a ship, or a fleet) one delivery is in flight at a time, and they go in the order of their reading.
// - The cursor is the last id before which nothing is unsettled: a leader that begins there misses nothing.
import type { WebhookMessage } from '../../../../shared/model/webhook.ts'

/** Of one webhook at a time. */
const inFlightMost = 8

export interface Delivery {
  readonly id: string
  /** Deliveries of one lane go one after the other. */
  readonly lane: string
  readonly message: WebhookMessage
  /** It is sent again on request, beside the stream. */
  readonly beside: boolean
  tries: number
  flying: boolean
  dueAtMs: number
  /** What had been read before it. */
  readonly before: string
}

export class DeliveryQueue {
  readonly #lanes = new Map<string, Delivery[]>()
  /** In the order of reading; those given up stay until that is recorded. */
  readonly #unsettled = new Map<string, Delivery>()
  #besides = new Set<string>()
  #seen: string
  #inFlight = 0
  #heldUntilMs = 0

  /** @param cursor the id that everything begins behind. */
  constructor(cursor: string) {
    this.#seen = cursor
  }

  /** How much is to be delivered, or to be recorded as given up. */
  get size(): number {
    return this.#unsettled.size + this.#besides.size
  }

  /** The last id that was read. */
  get seen(): string {
    return this.#seen
  }

  get cursor(): string {
    const oldest = this.#unsettled.values().next()
    return oldest.done ? this.#seen : oldest.value.before
  }

  /** Nothing up to this id is to be delivered any more. */
  skip(id: string): void {
    this.#seen = id
  }

  add(id: string, lane: string, message: WebhookMessage): void {
    if (!this.#unsettled.has(id)) {
      const delivery = this.#join({ id, lane, message, beside: false })
      this.#unsettled.set(id, delivery)
    }
    this.#seen = id
  }

  /** Adds what is sent again on request. It has a lane of its own and does not hold the cursor up. */
  addBeside(id: string, message: WebhookMessage): void {
    if (this.#besides.has(id)) return
    this.#besides.add(id)
    this.#join({ id, lane: `beside ${id}`, message, beside: true })
  }

  hasBeside(id: string): boolean {
    return this.#besides.has(id)
  }

  /** Takes off what may fly now. Each comes back with `delivered`, `retry` or `giveUp`. */
  due(nowMs: number): Delivery[] {
    const due: Delivery[] = []
    if (nowMs < this.#heldUntilMs) return due
    for (const [head] of this.#lanes.values()) {
      if (this.#inFlight >= inFlightMost) break
      if (!head || head.flying || head.dueAtMs > nowMs) continue
      head.flying = true
      head.tries++
      this.#inFlight++
      due.push(head)
    }
    return due
  }

  /** How long nothing becomes due by itself; Infinity: until something is added or comes back. */
  idleMs(nowMs: number): number {
    if (this.#inFlight >= inFlightMost) return Number.POSITIVE_INFINITY
    let at = Number.POSITIVE_INFINITY
    for (const [head] of this.#lanes.values()) if (head && !head.flying) at = Math.min(at, head.dueAtMs)
    return Math.max(0, Math.max(at, this.#heldUntilMs) - nowMs)
  }

  /** Nothing at all flies before then. */
  hold(untilMs: number): void {
    this.#heldUntilMs = Math.max(this.#heldUntilMs, untilMs)
  }

  delivered(delivery: Delivery): void {
    this.#leave(delivery)
    this.settle(delivery.id)
  }

  retry(delivery: Delivery, dueAtMs: number): void {
    this.#land(delivery)
    delivery.dueAtMs = dueAtMs
  }

  /** Lets the next of its lane go. The cursor waits for `settle`. */
  giveUp(delivery: Delivery): void {
    this.#leave(delivery)
  }

  /** It needs no remembering any more. */
  settle(id: string): void {
    this.#unsettled.delete(id)
    this.#besides.delete(id)
  }

  #join(parts: Pick<Delivery, 'id' | 'lane' | 'message' | 'beside'>): Delivery {
    const delivery = { ...parts, tries: 0, flying: false, dueAtMs: 0, before: this.#seen }
    const lane = this.#lanes.get(parts.lane)
    if (lane) lane.push(delivery)
    else this.#lanes.set(parts.lane, [delivery])
    return delivery
  }

  #leave(delivery: Delivery): void {
    this.#land(delivery)
    const lane = this.#lanes.get(delivery.lane)
    lane?.shift()
    if (lane?.length === 0) this.#lanes.delete(delivery.lane)
  }

  #land(delivery: Delivery): void {
    delivery.flying = false
    this.#inFlight--
  }
}
