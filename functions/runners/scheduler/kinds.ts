// Kinds: hosts that no static filter can tell apart, so that a class asks its static questions once a kind.
//
// Two hosts are of one kind when their labels, the keys of their taints and whether they are degraded agree.
import type { HostDescription } from '../../../shared/model/host.ts'

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
  /** How often a number has changed its meaning. */
  changes = 0

  /** As many numbers have been given. */
  get count(): number {
    return this.#numbers
  }

  /** The kind of a host that came. */
  enter(description: HostDescription, degraded: boolean): Kind {
    const key = keyOf(description, degraded)
    let kind = this.#byKey.get(key)
    if (!kind) {
      const again = this.#vacant.pop()
      if (again !== undefined) this.changes++
      kind = { number: again ?? this.#numbers++, key, hosts: 0 }
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

function keyOf({ labels, taints }: HostDescription, degraded: boolean): string {
  const listed = Object.keys(labels)
    .sort()
    .map((label) => [label, labels[label]])
  return JSON.stringify([degraded, taints.map(({ key }) => key).sort(), listed])
}
