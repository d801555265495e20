// QueueNodes: which tickets stand in which node of the scheduler queue, and which nodes have done their duty.
//
// INVARIANTS
// - A ticket that waits always stands in a node: what a leader holds, its successor finds.
// - A node of which some tickets are placed is not left as it is: the others are written anew, then it goes.
// - Many nodes of few waiting tickets become few nodes of many, so that the blocked do not fill the queue.
import type { Entry } from './pile.ts'

/** So many small nodes may wait before they are written together. */
const smallNodesKept = 64
const smallEntries = 100

interface Node {
  entries: readonly Entry[]
  /** Tickets it was read with, useful or not. */
  tickets: number
}

export interface Tidying {
  /** Nodes of which nothing waits any more. */
  done: string[]
  /** Nodes to be removed once what waits of them is written anew. */
  replaced: string[]
  rewrite: Entry[]
}

export class QueueNodes {
  readonly #nodes = new Map<string, Node>()
  readonly #of = new Map<Entry, string[]>()
  readonly #touched = new Set<string>()

  /** A node was read, or written by us. */
  put(name: string, entries: readonly Entry[], tickets: number): void {
    if (this.#nodes.has(name)) return
    const living = [...new Set(entries)].filter((entry) => entry.state !== 'gone')
    this.#nodes.set(name, { entries: living, tickets })
    if (living.length < tickets) this.#touched.add(name)
    for (const entry of living) this.#of.set(entry, [...(this.#of.get(entry) ?? []), name])
  }

  /** An entry is placed or of no further use. */
  leave(entry: Entry): void {
    for (const name of this.#of.get(entry) ?? []) this.#touched.add(name)
    this.#of.delete(entry)
  }

  /** What to remove and to write anew. Nodes with entries that are being placed are left for the next time. */
  tidy(): Tidying {
    const done: string[] = []
    const replaced = new Set<string>()
    const rewrite = new Set<Entry>()
    const replace = (name: string, living: readonly Entry[]): void => {
      replaced.add(name)
      for (const entry of living) if (!this.#standsElsewhere(entry, name)) rewrite.add(entry)
    }
    for (const name of this.#touched) {
      const living = this.#living(name)
      if (living.length === 0) done.push(name)
      else if (!living.some((entry) => entry.state === 'taken')) replace(name, living)
    }
    const others = [...this.#nodes.keys()].filter((name) => !this.#touched.has(name))
    const small = others.length > smallNodesKept ? others.filter((name) => this.#isSmall(name)) : []
    if (small.length > smallNodesKept) for (const name of small) replace(name, this.#living(name))
    return { done, replaced: [...replaced], rewrite: [...rewrite] }
  }

  /** Nodes that are about to be removed. */
  forget(names: Iterable<string>): void {
    for (const name of names) {
      for (const entry of this.#nodes.get(name)?.entries ?? []) {
        const left = this.#of.get(entry)?.filter((other) => other !== name)
        if (left?.length) this.#of.set(entry, left)
        else this.#of.delete(entry)
      }
      this.#nodes.delete(name)
      this.#touched.delete(name)
    }
  }

  /** Written anew already, by a turn that could not remove the node. */
  #standsElsewhere(entry: Entry, name: string): boolean {
    return this.#of.get(entry)?.some((other) => other !== name && !this.#touched.has(other)) ?? false
  }

  #living(name: string): Entry[] {
    return this.#nodes.get(name)?.entries.filter((entry) => entry.state !== 'gone') ?? []
  }

  #isSmall(name: string): boolean {
    const node = this.#nodes.get(name)
    return (
      node !== undefined &&
      node.tickets < smallEntries &&
      node.entries.every(({ state }) => state === 'waiting')
    )
  }
}
