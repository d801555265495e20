// One kind of record in the mirror: decoded values by id, in the order of their ids.
//
// INVARIANT: a record that cannot be read leaves what was known of it, and keeps no other from being shown.
import type { Change, KeyValue } from '../etcd/kv.ts'

export interface Row<T> {
  value: T
  /** Revision of the store at the record's last change. */
  revision: number
  /** The record as it stands by now, where that is known ahead of memory. */
  newer?: Row<T> | undefined
}

/** `revision` is that of the change, or of the listing that showed the record gone. */
type Listener<T> = (
  id: string,
  after: Row<T> | undefined,
  before: Row<T> | undefined,
  revision: number,
) => void

export class Table<T> {
  readonly prefix: string
  #decode: (text: string) => T
  #rows = new Map<string, Row<T>>()
  #ids: string[] = []
  #listeners: Listener<T>[] = []
  /** Is told of a record that cannot be read, or that a listener could not do with. */
  onBad: (key: string, error: unknown) => void = () => undefined

  constructor(prefix: string, decode: (text: string) => T = JSON.parse) {
    this.prefix = prefix
    this.#decode = decode
  }

  get(id: string): Row<T> | undefined {
    return this.#rows.get(id)
  }

  /** Rows in the order of their ids, from the first one after `after`. */
  *rows(after = ''): Generator<[string, Row<T>]> {
    for (let i = after ? this.#position(after, true) : 0; i < this.#ids.length; i++) {
      const id = this.#ids[i] as string
      const row = this.#rows.get(id)
      if (row) yield [id, row]
    }
  }

  get size(): number {
    return this.#rows.size
  }

  onChange(listener: Listener<T>): void {
    this.#listeners.push(listener)
  }

  /** @returns whether the change is of this table. */
  apply(change: Change): boolean {
    if (!change.key.startsWith(this.prefix)) return false
    const id = change.key.slice(this.prefix.length)
    if (change.value === undefined) this.#set(id, undefined, change.revision)
    else this.#read(id, change.value, change.revision)
    return true
  }

  /** Makes the table equal to a fresh listing of the store. */
  replace(items: readonly KeyValue[], listedAt: number): void {
    const seen = new Set<string>()
    for (const { key, value, revision } of items) {
      if (!key.startsWith(this.prefix)) continue
      const id = key.slice(this.prefix.length)
      seen.add(id)
      if (this.#rows.get(id)?.revision !== revision) this.#read(id, value, revision)
    }
    for (const id of [...this.#rows.keys()]) if (!seen.has(id)) this.#set(id, undefined, listedAt)
  }

  #read(id: string, text: string, revision: number): void {
    let value: T
    try {
      value = this.#decode(text)
    } catch (error) {
      this.onBad(this.prefix + id, error)
      return
    }
    this.#set(id, { value, revision }, revision)
  }

  #set(id: string, after: Row<T> | undefined, revision: number): void {
    const before = this.#rows.get(id)
    if (after) {
      this.#rows.set(id, after)
      if (!before) this.#ids.splice(this.#position(id, false), 0, id)
    } else if (before) {
      this.#rows.delete(id)
      this.#ids.splice(this.#position(id, false), 1)
    }
    for (const listener of this.#listeners)
      try {
        listener(id, after, before, revision)
      } catch (error) {
        this.onBad(this.prefix + id, error)
      }
  }

  /** Where the id is, or would be; with `after`, the place behind it. */
  #position(id: string, after: boolean): number {
    let low = 0
    let high = this.#ids.length
    while (low < high) {
      const middle = (low + high) >> 1
      const here = this.#ids[middle] as string
      if (here < id || (after && here === id)) low = middle + 1
      else high = middle
    }
    return low
  }
}
