// Rooms: the ships that are ordered for sessions which share them, filled as those who come one after another fill them.
import type { Want } from '../../../shared/model/allocation.ts'

/** What a session needs of something that a ship counts. */
export interface Need {
  /** Of the counter or list, by kind and name. */
  what: string
  takes: number
  /** Free before it comes. */
  atLeast: number
  /** Free on a new ship. */
  room: number
}

/** As many are looked through for each who waits; those before are taken to be full. */
const mostOpen = 64

export class Rooms {
  /** By what is counted, how much is taken of it. */
  readonly #open: Map<string, number>[] = []

  /** @returns how many different ones, at most so many, have taken one more. */
  fill(most: number, needs: readonly Need[]): number {
    const found = this.#open.filter((taken) => needs.every((need) => fits(need, taken))).slice(0, most)
    for (const taken of found) take(taken, needs)
    return found.length
  }

  /** So many more, with one in each. */
  add(ships: number, needs: readonly Need[]): void {
    for (let i = 0; i < ships; i++) this.#open.push(take(new Map(), needs))
    this.#open.splice(0, this.#open.length - mostOpen)
  }
}

function fits({ what, takes, atLeast, room }: Need, taken: ReadonlyMap<string, number>): boolean {
  return room - (taken.get(what) ?? 0) >= Math.max(takes, atLeast)
}

function take(taken: Map<string, number>, needs: readonly Need[]): Map<string, number> {
  for (const { what, takes } of needs) taken.set(what, (taken.get(what) ?? 0) + takes)
  return taken
}

/**
 * What a session takes that finds its room also on ships in use. Of a counter to which it adds nothing it takes what it
 * wants to be free: its game counts.
 * @param roomOf free on a new ship, by the capacity that it is given first, if any.
 */
export function needsOf(
  { selector, counters, lists }: Want,
  roomOf: (kind: 'counters' | 'lists', name: string, given: number | undefined) => number,
): Need[] {
  const need = (
    kind: 'counters' | 'lists',
    name: string,
    adds: number,
    atLeast = 0,
    given?: number,
  ): Need => ({
    what: `${kind} ${name}`,
    ...{ takes: adds > 0 ? adds : atLeast, atLeast, room: roomOf(kind, name, given) },
  })
  const names = (...all: object[]) => [...new Set(all.flatMap((one) => Object.keys(one)))]
  return [
    ...names(selector.counters, counters).map((name) => {
      const { add = 0, capacity } = counters[name] ?? {}
      return need('counters', name, add, selector.counters[name]?.minAvailable, capacity)
    }),
    ...names(selector.lists, lists).map((name) => {
      const { append = [], capacity } = lists[name] ?? {}
      return need('lists', name, append.length, selector.lists[name]?.minAvailable, capacity)
    }),
  ]
}
