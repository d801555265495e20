// Zones: how the ships of a fleet are spread over the values of one host label.
//
// A zone counts as long as a host that suits the demand stands in it; one more ship may go where its zone is
// then at most maxSkew above the zone with the fewest mates. So a zone that is full holds the others back.
import type { HostRow } from './hostRow.ts'

/** What a host last counted for; changed in place, because hosts are counted anew all the time. */
interface Share {
  zone: number
  mates: number
  suits: boolean
}

export class Zones {
  readonly #label: string
  readonly #maxSkew: number
  readonly #fleet: string | null
  readonly #numbers = new Map<string, number>()
  readonly #mates: number[] = []
  readonly #hosts: number[] = []
  readonly #shares: (Share | undefined)[] = []

  constructor(spread: { label: string; maxSkew: number }, fleet: string | null) {
    this.#label = spread.label
    this.#maxSkew = spread.maxSkew
    this.#fleet = fleet
  }

  /** Counts the host as it is now. Returns its zone; 0 without the label, where nothing is ever ranked. */
  weigh(slot: number, row: HostRow | undefined, suits: boolean): number {
    const zone = row ? this.zoneOf(row) : -1
    const mates = row ? row.mates(this.#fleet) : 0
    let share = this.#shares[slot]
    if (share?.zone === zone && share.mates === mates && share.suits === suits) return Math.max(0, zone)
    share ??= { zone: -1, mates: 0, suits: false }
    this.#shares[slot] = share
    this.#count(share, -1)
    share.zone = zone
    share.mates = mates
    share.suits = suits
    this.#count(share, 1)
    return Math.max(0, zone)
  }

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

  open(zone: number): boolean {
    return zone >= 0 && (this.#mates[zone] ?? 0) < this.#fewest() + this.#maxSkew
  }

  *allOpen(): Iterable<number> {
    const bound = this.#fewest() + this.#maxSkew
    for (let zone = 0; zone < this.#mates.length; zone++) {
      if ((this.#hosts[zone] ?? 0) > 0 && (this.#mates[zone] ?? 0) < bound) yield zone
    }
  }

  #fewest(): number {
    let fewest = Number.POSITIVE_INFINITY
    for (let zone = 0; zone < this.#mates.length; zone++) {
      if ((this.#hosts[zone] ?? 0) > 0) fewest = Math.min(fewest, this.#mates[zone] ?? 0)
    }
    return fewest
  }

  #count({ zone, mates, suits }: Share, by: 1 | -1): void {
    if (zone < 0) return
    this.#mates[zone] = (this.#mates[zone] ?? 0) + by * mates
    if (suits) this.#hosts[zone] = (this.#hosts[zone] ?? 0) + by
  }
}
