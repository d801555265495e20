// The order in which ships are given: hosts by their use, and before that whatever a want puts first. Pure.
import type { Want } from '../../../shared/model/allocation.ts'
import type { Ship } from '../../../shared/model/ship.ts'

/** Ships of one host that a want takes. */
export interface Shelf {
  /** Ships in use on the host. */
  use: number
  /** Their ids: of 20,000 ships not one has to be looked at where only hosts decide. */
  ships: string[]
}

/** In the order of the strategy, and before it of the priorities. */
export function lined(
  shelves: readonly Shelf[],
  want: Want,
  shipOf: (id: string) => Ship | undefined,
): string[] {
  const ships = shelved(shelves, want)
  const measures = measuresOf(want)
  if (measures.length === 0) return ships
  const measured = ships.flatMap((id) => {
    const ship = shipOf(id)
    return ship ? [{ id, by: measures.map((measure) => measure(ship)) }] : []
  })
  measured.sort(({ by: a }, { by: b }) => {
    for (let i = 0; i < measures.length; i++) {
      const difference = (a[i] ?? 0) - (b[i] ?? 0)
      if (difference !== 0) return difference
    }
    return 0
  })
  return measured.map(({ id }) => id)
}

/** In the order of the strategy alone. */
export function shelved(shelves: readonly Shelf[], { strategy }: Want): string[] {
  if (strategy === 'distributed') return inTurn(shelves)
  return [...shelves].sort((a, b) => b.use - a.use).flatMap((shelf) => shelf.ships)
}

/** Whether of ships that are shared those with more room come first: the first is another one after each use. */
export function isByMostRoom({ selector, strategy, priorities }: Want): boolean {
  if (selector.state !== 'Allocated') return false
  return strategy === 'distributed' || priorities.some(({ order }) => order === 'descending')
}

/** By which ships are compared, one after the other: less comes first. */
export function measuresOf({
  strategy,
  priorities,
  selector,
  counters,
  lists,
}: Want): ((ship: Ship) => number)[] {
  const measures = priorities.map(({ type, key, order }) => {
    const sign = order === 'ascending' ? 1 : -1
    return (ship: Ship) => sign * roomOf(ship, type, key, sign)
  })
  if (selector.state !== 'Allocated') return measures
  const sign = strategy === 'packed' ? 1 : -1
  for (const name of new Set([...Object.keys(selector.counters), ...Object.keys(counters)]))
    measures.push((ship) => sign * roomOf(ship, 'counter', name, sign))
  for (const name of new Set([...Object.keys(selector.lists), ...Object.keys(lists)]))
    measures.push((ship) => sign * roomOf(ship, 'list', name, sign))
  return measures
}

/** One from each host in turn, by what its use will be when that ship is taken. */
function inTurn(shelves: readonly Shelf[]): string[] {
  const byUse: string[][] = []
  for (const { use, ships } of shelves) {
    for (const [k, ship] of ships.entries()) {
      byUse[use + k] ??= []
      byUse[use + k]?.push(ship)
    }
  }
  return byUse.flat()
}

/** Ships without it come last, whatever the order. */
function roomOf(ship: Ship, type: 'counter' | 'list', key: string, sign: number): number {
  const counter = type === 'counter' ? ship.counters?.[key] : undefined
  if (counter) return counter.capacity - counter.count
  const list = type === 'list' ? ship.lists?.[key] : undefined
  return list ? list.capacity - list.values.length : sign * Number.MAX_SAFE_INTEGER
}

/** Tells whether a ship is that server's own among all of them (rendezvous hashing), without a string for each. */
export function ownership(me: string, servers: readonly string[]): (ship: string) => boolean {
  const mine = hash(me)
  const others = servers.filter((server) => server !== me).map(hash)
  return (ship) => {
    const of = hash(ship)
    const weight = mixed(of ^ mine)
    return others.every((other) => mixed(of ^ other) <= weight)
  }
}

/** FNV-1a */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h
}

/** Alike names would else lie side by side: the last mix of MurmurHash3. */
function mixed(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
