// What comes in parts and is wanted whole, within what its ship may hold.
//
// It is copied: a part of one byte weighs a hundred, and keeps alive all that was read together with it.
import type { Bounds } from './bounds.ts'

const leastRoom = 64
const none: Buffer = Buffer.alloc(0)

export class Gathering {
  readonly #bounds: Bounds
  #room = none
  #length = 0
  #isOver = false

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  get length(): number {
    return this.#length
  }

  /** What has come; overwritten by what comes after `clear`. */
  get bytes(): Buffer {
    return this.#room.subarray(0, this.#length)
  }

  /** @throws SdkError RESOURCE_EXHAUSTED */
  add(part: Buffer): void {
    if (this.#isOver) return
    const length = this.#length + part.length
    if (length > this.#room.length) this.#grow(length)
    part.copy(this.#room, this.#length)
    this.#length = length
  }

  clear(): void {
    this.#length = 0
  }

  /** Nothing is gathered any more. More than once is as good as once. */
  release(): void {
    this.#isOver = true
    this.#bounds.release(this.#room.length)
    this.#room = none
    this.#length = 0
  }

  /** By halves, so that what comes byte by byte is not copied over and over. */
  #grow(least: number): void {
    const bytes = Math.max(leastRoom, least, Math.ceil(this.#room.length * 1.5))
    this.#bounds.hold(bytes - this.#room.length)
    const room = Buffer.allocUnsafeSlow(bytes)
    this.#room.copy(room, 0, 0, this.#length)
    this.#room = room
  }
}
