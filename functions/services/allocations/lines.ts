// Lines: the ships of one lane, one after the other, and where those go that were taken or passed over. Pure.
import type { Ship } from '../../../shared/model/ship.ts'
import type { Row } from '../../stores/mirror/table.ts'

export interface Line {
  /** The next one; it stays so until it is dropped or used. */
  first(): string | undefined
  drop(): void
  /** It was taken, or room on it. */
  used(taken: { before: Row<Ship>; after: Ship }): void
  /** One request has passed them over: others may have them. */
  back(ids: readonly string[]): void
}

/** They go in the order that there is. */
export class InOrder implements Line {
  #ids: string[]
  #at = 0
  readonly #stays: boolean

  /** @param stays one that was used is the next one again, until it is full. */
  constructor(ids: string[], stays: boolean) {
    this.#ids = ids
    this.#stays = stays
  }

  first(): string | undefined {
    return this.#ids[this.#at]
  }

  drop(): void {
    this.#at++
  }

  used(): void {
    if (!this.#stays) this.#at++
  }

  back(ids: readonly string[]): void {
    if (this.#at > this.#ids.length / 2) {
      this.#ids = this.#ids.slice(this.#at)
      this.#at = 0
    }
    for (const id of new Set(ids)) this.#ids.push(id)
  }
}

interface Place {
  id: string
  by: readonly number[]
  /** Of the record by which it stands here. */
  revision: number
}

/** Those with most room go first: one that was used goes where it belongs with the room that it has left. */
export class MostRoom implements Line {
  /** The first one is at the end, where it comes and goes without moving the others. */
  readonly #places: Place[]
  readonly #rowOf: (id: string) => Row<Ship> | undefined
  readonly #measure: (ship: Ship) => readonly number[]

  /** @param measure less comes first. */
  constructor(
    ids: readonly string[],
    rowOf: (id: string) => Row<Ship> | undefined,
    measure: (ship: Ship) => readonly number[],
  ) {
    this.#rowOf = rowOf
    this.#measure = measure
    this.#places = ids.flatMap((id) => this.#placeOf(id) ?? []).sort((a, b) => compared(a.by, b.by))
    this.#places.reverse()
  }

  first(): string | undefined {
    for (;;) {
      const place = this.#places[this.#places.length - 1]
      const row = place && this.#rowOf(place.id)
      if (!place || !row || row.revision <= place.revision) return place?.id
      // Others have taken room on it, or given some back.
      this.#places.pop()
      this.#insert({ id: place.id, by: this.#measure(row.value), revision: row.revision }, false)
    }
  }

  drop(): void {
    this.#places.pop()
  }

  used({ before, after }: { before: Row<Ship>; after: Ship }): void {
    this.#places.pop()
    this.#insert({ id: after.id, by: this.#measure(after), revision: before.revision }, false)
  }

  back(ids: readonly string[]): void {
    for (const id of [...new Set(ids)].reverse()) {
      const place = this.#placeOf(id)
      if (place) this.#insert(place, true)
    }
  }

  #placeOf(id: string): Place | undefined {
    const row = this.#rowOf(id)
    return row && { id, by: this.#measure(row.value), revision: row.revision }
  }

  #insert(place: Place, isAheadOfEqual: boolean): void {
    const limit = isAheadOfEqual ? 1 : 0
    let from = 0
    let to = this.#places.length
    while (from < to) {
      const middle = (from + to) >> 1
      if (compared(place.by, (this.#places[middle] as Place).by) < limit) from = middle + 1
      else to = middle
    }
    this.#places.splice(from, 0, place)
  }
}

function compared(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
