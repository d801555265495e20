// What one ship may send to its SDK, and leave in the memory of the agent, over all its connections together.
//
// INVARIANTS
// - Whatever comes over its connections counts: also what is no call, and what no listener here ever hears of.
// - While no ship has a connection nothing ticks; with 200 quiet ones the looks take less than 0.03 % of a core.
import type { Socket } from 'node:net'
import { Allowance } from './allowance.ts'
import { SdkError } from './sdkError.ts'

const pace = { perSecond: 262_144, burst: 2_097_152 }
const mostHeldBytes = 1_048_576
const lookMs = 1_000
/** A timer has no turn before all that the kernel holds was read. */
const mostUnseenBytes = 65_536

/** One timer for all ships that have connections. */
export class Looks {
  readonly #ships = new Set<Bounds>()
  #timer: NodeJS.Timeout | undefined

  add(bounds: Bounds): void {
    this.#ships.add(bounds)
    this.#timer ??= setTimeout(this.#turn, lookMs).unref()
  }

  delete(bounds: Bounds): void {
    this.#ships.delete(bounds)
  }

  #turn = (): void => {
    for (const bounds of this.#ships) bounds.look()
    this.#timer = this.#ships.size > 0 ? setTimeout(this.#turn, lookMs).unref() : undefined
  }
}

export class Bounds {
  readonly #looks: Looks
  readonly #spent: () => void
  readonly #pace = new Allowance(pace)
  /** Connection -> how much of it was counted. */
  readonly #counted = new Map<Socket, number>()
  #unseenBytes = 0
  #heldBytes = 0

  /** @param spent is called when the ship has sent too much. */
  constructor(looks: Looks, spent: () => void) {
    this.#looks = looks
    this.#spent = spent
  }

  /** Until it is closed. */
  watch(socket: Socket): void {
    this.#counted.set(socket, 0)
    this.#looks.add(this)
    socket.once('close', () => {
      this.look()
      this.#counted.delete(socket)
      if (this.#counted.size === 0) this.#looks.delete(this)
    })
  }

  /** Counts what has come since the last look. */
  look(): void {
    this.#unseenBytes = 0
    let bytes = 0
    for (const [socket, before] of this.#counted) {
      const { bytesRead } = socket
      if (bytesRead === before) continue
      bytes += bytesRead - before
      this.#counted.set(socket, bytesRead)
    }
    if (bytes > 0 && !this.#pace.take(bytes)) this.#spent()
  }

  /** So much of it was heard here: it is looked at before the timer's turn when it is much. */
  heard(bytes: number): void {
    this.#unseenBytes += bytes
    if (this.#unseenBytes > mostUnseenBytes) this.look()
  }

  /** Room for what is not dealt with yet; to be released once. @throws SdkError RESOURCE_EXHAUSTED */
  hold(bytes: number): void {
    if (this.#heldBytes + bytes > mostHeldBytes) {
      const detail = `calls of this ship hold ${mostHeldBytes} bytes already; wait for their answers`
      throw new SdkError('RESOURCE_EXHAUSTED', detail)
    }
    this.#heldBytes += bytes
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes
  }

  get heldBytes(): number {
    return this.#heldBytes
  }
}
