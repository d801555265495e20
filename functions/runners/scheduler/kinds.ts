// Kinds: hosts that no static filter can tell apart, so that a class asks its static questions once a kind.
//
// Two hosts are of one kind when their labels, the keys of their taints and whether they are degraded agree.
import type { HostPicture } from './hostRow.ts'

export interface Kind {
  /** Small, and given to another kind once no host is of this one. */
  readonly number: number
  readonly key: string
  hosts: number
}

export class Kinds {
  readonly #byKey = new Map<string, Kind>()
  readonly #vacant: number[] = []
  #numbers = 0

  /** The kind of a host that came. */
  enter({ description, degraded }: HostPicture): Kind {
    const labels = Object.entries(description.labels).sort(([a], [b]) => (a < b ? -1 : 1))
    const taints = description.taints.map((taint) => taint.key).sort()
    const key = JSON.stringify([labels, taints, degraded !== null])
    let kind = this.#byKey.get(key)
    if (!kind) {
      kind = { number: this.#vacant.pop() ?? this.#numbers++, key, hosts: 0 }
      this.#byKey.set(key, kind)
    }
    kind.hosts++
    return kind
  }

  /** A host of the kind left. */
  leave(kind: Kind): void {
    if (--kind.hosts > 0) return
    this.#byKey.delete(kind.key)
    this.#vacant.push(kind.number)
  }
}
