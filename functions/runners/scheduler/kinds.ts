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
  readonly #byNumber: (Kind | undefined)[] = []
  readonly #vacant: number[] = []

  at(number: number): Kind | undefined {
    return this.#byNumber[number]
  }

  /** The kind of a host that came. */
  enter(picture: HostPicture): Kind {
    const key = keyOf(picture)
    let kind = this.#byKey.get(key)
    if (!kind) {
      kind = { number: this.#vacant.pop() ?? this.#byNumber.length, key, hosts: 0 }
      this.#byKey.set(key, kind)
      this.#byNumber[kind.number] = kind
    }
    kind.hosts++
    return kind
  }

  /** A host of the kind left. */
  leave(kind: Kind): void {
    if (--kind.hosts > 0) return
    this.#byKey.delete(kind.key)
    this.#byNumber[kind.number] = undefined
    this.#vacant.push(kind.number)
  }
}

function keyOf({ description: { labels, taints }, degraded }: HostPicture): string {
  const listed = Object.keys(labels)
    .sort()
    .map((label) => [label, labels[label]])
  return JSON.stringify([degraded !== null, taints.map(({ key }) => key).sort(), listed])
}
