// Zones: how the ships of a fleet are spread over the values of one host label.
//
// A zone counts as long as a host that suits the demand stands in it; one more ship may go where its zone is
// then at most maxSkew above the zone with the fewest mates. So a zone that is full holds the others back.
import type { HostRow } from './hostRow.ts'

/** More mates than any zone has; a small whole number, which costs no memory to hand on. */
const most = 1 << 29

export class Zones {
  readonly #label: string
  readonly #maxSkew: number
  readonly #numbers = new Map<string, number>()
  /** By zone: fleet mates, and hosts that suit. */
  readonly #mates: number[] = []
  readonly #hosts: number[] = []
  /** By slot, what a host last counted for; a zone of 0 is none, others are one more than their number. */
  #zoneOf = new Int32Array(0)
  #matesOf = new Int32Array(0)
  #suits = new Uint8Array(0)

  constructor({ label, maxSkew }: { label: string; maxSkew: number }) {
    this.#label = label
    this.#maxSkew = maxSkew
  }

  /** The zone of a host; -1 without the label. */
  zoneOf(row: HostRow): number {
    const value = row.description.labels[this.#label]
    if (value === undefined) return -1
    let number = this.#numbers.get(value)
    if (number === undefined) {
      number = this.#mates.push(0) - 1
      this.#hosts.push(0)
      this.#numbers.set(value, number)
    }
    return number
  }

  /** Counts a host as it is now; a zone of -1 takes it out. */
  weigh(slot: number, zone: number, mates: number, suits: boolean): void {
    if (slot >= this.#zoneOf.length) this.#grow(slot + 1)
    const old = (this.#zoneOf[slot] as number) - 1
    const oldMates = this.#matesOf[slot] as number
    const oldSuits = this.#suits[slot] as number
    const nowSuits = suits ? 1 : 0
    if (old === zone && oldMates === mates && oldSuits === nowSuits) return
    if (old >= 0) this.#count(old, -oldMates, -oldSuits)
    if (zone >= 0) this.#count(zone, mates, nowSuits)
    this.#zoneOf[slot] = zone + 1
    this.#matesOf[slot] = mates
    this.#suits[slot] = nowSuits
  }

  get count(): number {
    return this.#mates.length
  }

  /** Zones with fewer mates than this are open. */
  get bound(): number {
    let fewest = most
    for (let zone = 0; zone < this.#mates.length; zone++) {
      const mates = this.#mates[zone] as number
      if (mates < fewest && (this.#hosts[zone] as number) > 0) fewest = mates
    }
    return fewest + this.#maxSkew
  }

  isOpen(zone: number, bound: number): boolean {
    return zone >= 0 && (this.#mates[zone] as number) < bound
  }

  #count(zone: number, mates: number, suits: number): void {
    this.#mates[zone] = (this.#mates[zone] as number) + mates
    this.#hosts[zone] = (this.#hosts[zone] as number) + suits
  }

  #grow(least: number): void {
    const size = Math.max(least, this.#zoneOf.length * 2, 64)
    const zoneOf = new Int32Array(size)
    zoneOf.set(this.#zoneOf)
    this.#zoneOf = zoneOf
    const matesOf = new Int32Array(size)
    matesOf.set(this.#matesOf)
    this.#matesOf = matesOf
    const suits = new Uint8Array(size)
    suits.set(this.#suits)
    this.#suits = suits
  }
}
