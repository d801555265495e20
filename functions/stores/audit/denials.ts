// Denials on their way into the audit log. Anybody can cause any number of them, so few are kept.
//
// INVARIANTS
// - In a window at most `kinds` kinds are told apart, by caller or address, route and code. Of each the first is
//   passed on at once, and those that follow as one entry with their number when the window ends.
// - What is more is counted by code alone. So neither memory nor etcd grows with the flood.
import type { NewEntry } from '../../../shared/model/auditEntry.ts'

interface Kind {
  /** The last of them. */
  entry: NewEntry
  /** Those that were not passed on yet. */
  more: number
}

export class Denials {
  #pass: (entry: NewEntry) => void
  #windowMs: number
  #most: number
  #kinds = new Map<string, Kind>()
  #timer: NodeJS.Timeout | undefined

  constructor(pass: (entry: NewEntry) => void, windowMs: number, kinds = 32) {
    this.#pass = pass
    this.#windowMs = windowMs
    this.#most = kinds
  }

  note(entry: NewEntry): void {
    const { caller, address, method, route, code } = entry
    const name = JSON.stringify([caller?.role, caller?.name ?? address, method, route, code])
    const known = this.#kinds.get(name)
    if (known) this.#kinds.set(name, { entry, more: known.more + 1 })
    else if (this.#kinds.size < this.#most) {
      this.#kinds.set(name, { entry, more: 0 })
      this.#pass(entry)
    } else this.#countByCode(entry)
    this.#timer ??= setTimeout(() => this.flush(), this.#windowMs).unref()
  }

  #countByCode(entry: NewEntry): void {
    const name = `others ${entry.code}`
    const rest = { caller: null, method: '*', route: 'various', path: '*', subject: null, address: null }
    this.#kinds.set(name, { entry: { ...entry, ...rest }, more: (this.#kinds.get(name)?.more ?? 0) + 1 })
  }

  /** Ends the window. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const kinds = [...this.#kinds.values()]
    this.#kinds.clear()
    for (const { entry, more } of kinds) if (more > 0) this.#pass({ ...entry, count: more })
  }
}
