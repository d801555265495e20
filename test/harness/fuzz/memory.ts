// What the API has shown so far, by name: so that requests meet ships, hosts and revisions that exist.
import { Known } from './values.ts'

const kept = 60
/** Names under which the same thing is asked for elsewhere. */
const also: Readonly<Record<string, readonly string[]>> = {
  revision: ['if-match'],
  nextCursor: ['cursor'],
}

export class Memory {
  readonly #seen = new Map<string, unknown[]>()

  note(name: string, value: unknown): void {
    const values = this.#seen.get(name) ?? []
    if (values.includes(value)) return
    this.#seen.set(name, values)
    if (values.push(value) > kept) values.splice(Math.floor(kept / 2), 1)
  }

  of(name: string): readonly unknown[] {
    return this.#seen.get(name) ?? []
  }

  /** Notes every name and id in an answer. @param path of the route: `/v1/ships/{ship}` makes its `id` a `ship`. */
  learn(path: string, answer: unknown): void {
    const [, , collection = ''] = path.split('/')
    this.#walk(answer, collection)
  }

  /** The value with every placeholder filled in. */
  filled(value: unknown): unknown {
    if (value instanceof Known) {
      const values = this.of(value.name).filter((one) => typeof one === typeof value.fallback)
      return values.length > 0 ? values[value.pick % values.length] : value.fallback
    }
    if (Array.isArray(value)) return value.map((one) => this.filled(one))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, this.filled(one)]))
  }

  #walk(value: unknown, within: string): void {
    if (Array.isArray(value)) {
      for (const one of value.slice(0, 20)) {
        if (typeof one === 'string') this.#learnId(within, one)
        else this.#walk(one, within)
      }
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, one] of Object.entries(value)) {
        if (typeof one === 'object') this.#walk(one, key)
        else if (key === 'id' || (key === 'name' && within !== 'ports')) this.#learnId(within, one)
        else for (const name of [key, ...(also[key] ?? [])]) this.note(name, one)
      }
    }
  }

  #learnId(collection: string, id: unknown): void {
    if (collection.endsWith('s')) this.note(collection.slice(0, -1), id)
    this.note(collection, id)
    this.note('name', id)
  }
}
