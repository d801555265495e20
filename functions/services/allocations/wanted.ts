// What those who wait want: each want once, however many want it, or one like it.
import type { Want } from '../../../shared/model/allocation.ts'
import type { Table } from '../../stores/mirror/table.ts'
import type { Waiter } from '../../stores/waiters.ts'
import { likeness } from './likeness.ts'

interface Counted {
  want: Want
  text: string
  by: number
}

export class Wanted {
  readonly #byText = new Map<string, Counted>()
  readonly #byWaiter = new Map<string, Counted[]>()

  constructor(waiters: Table<Waiter>) {
    waiters.onChange((name, after) => {
      this.#leave(name)
      if (after) this.#join(name, after.value.wants)
    })
  }

  *all(): Generator<Want> {
    for (const { want } of this.#byText.values()) yield want
  }

  /** What one of them wants: the same objects for all who want the same. */
  of(name: string): Want[] {
    return (this.#byWaiter.get(name) ?? []).map(({ want }) => want)
  }

  #join(name: string, wants: readonly Want[]): void {
    const all = wants.map((want) => {
      const text = likeness(want)
      const counted = this.#byText.get(text) ?? { want, text, by: 0 }
      counted.by++
      this.#byText.set(text, counted)
      return counted
    })
    this.#byWaiter.set(name, all)
  }

  #leave(name: string): void {
    for (const counted of this.#byWaiter.get(name) ?? [])
      if (--counted.by === 0) this.#byText.delete(counted.text)
    this.#byWaiter.delete(name)
  }
}
