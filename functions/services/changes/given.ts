// What an allocation gave to its ship, and how it is taken back when the allocation ends. Pure.
import type { LabelPatch } from '../../../shared/api/fields.ts'
import type { Allocation } from '../../../shared/model/allocation.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import type { Counters } from '../../../shared/model/shipData.ts'
import { withCountedDown } from './countedDown.ts'
import { patched } from './matching.ts'
import { isProbed } from './probed.ts'

type Undo = NonNullable<Allocation['undo']>
type Texts = Record<string, string>
type Amounts = Readonly<Record<string, number>>

/** The record without the allocation, and without what it gave. */
export function withdrawn(ship: Ship, id: string): Ship {
  const all = ship.allocations ?? []
  const at = all.findIndex((one) => one.id === id)
  const gone = all[at]
  if (!gone) return ship
  const { undo = {} } = gone
  const later = all.slice(at + 1)
  const labels = taken('labels', ship.labels, undo, later)
  const annotations = taken('annotations', ship.annotations ?? {}, undo, labels.later)
  const added = undo.counters ?? {}
  const left = {
    ...ship,
    allocations: [...all.slice(0, at), ...annotations.later],
    labels: labels.texts,
    ...(ship.annotations && { annotations: annotations.texts }),
    ...(ship.counters && { counters: uncounted(ship.counters, added, ship.countedDown) }),
    ...(ship.lists &&
      undo.lists && { lists: unlisted(ship.lists, undo.lists, [...all.slice(0, at), ...later]) }),
  }
  return withCountedDown(left, stillDown(ship.countedDown, added))
}

/** The record without any allocation. */
export function withdrawnAll(ship: Ship): Ship {
  return (ship.allocations ?? []).reduce((left, { id }) => withdrawn(left, id), ship)
}

/** The record with other labels, beneath those that its allocations gave: what these hide is seen when they end. */
export function labelledBeneath(ship: Ship, patch: LabelPatch): Ship {
  const seen = { ...patch }
  const allocations = ship.allocations?.map((one) => {
    const { labels } = one.undo ?? {}
    const hidden = Object.keys(seen).filter((key) => labels && Object.hasOwn(labels, key))
    if (hidden.length === 0) return one
    const under = Object.fromEntries(hidden.map((key) => [key, seen[key] ?? null]))
    for (const key of hidden) delete seen[key]
    return { ...one, undo: { ...one.undo, labels: { ...labels, ...under } } }
  })
  return { ...ship, labels: patched(ship.labels, seen), ...(allocations && { allocations }) }
}

/** What texts that are given will hide; null: nothing. */
export function hiddenBy(given: Texts, texts: Texts): Record<string, string | null> {
  return Object.fromEntries(Object.keys(given).map((key) => [key, texts[key] ?? null]))
}

/** The record with no lease left open. */
export function unleased(ship: Ship): Ship {
  if (!ship.allocations?.some(({ leaseUntil }) => leaseUntil !== null)) return ship
  return { ...ship, allocations: ship.allocations.map((one) => ({ ...one, leaseUntil: null })) }
}

/** What a later allocation wrote over it stays; that one then gives back what was there before both. */
function taken(field: 'labels' | 'annotations', texts: Texts, undo: Undo, later: readonly Allocation[]) {
  const next = { ...texts }
  const after = [...later]
  for (const [key, was] of Object.entries(undo[field] ?? {})) {
    const heir = after.findIndex((one) => Object.hasOwn(one.undo?.[field] ?? {}, key))
    const other = after[heir]
    if (other)
      after[heir] = { ...other, undo: { ...other.undo, [field]: { ...other.undo?.[field], [key]: was } } }
    else if (was === null) delete next[key]
    else next[key] = was
  }
  return { texts: next, later: after }
}

/** What the ship has counted down itself stays: it would have room for more sessions than it can run. */
function uncounted(counters: Counters, added: Amounts, down: Amounts = {}): Counters {
  const next = { ...counters }
  for (const [name, add] of Object.entries(added)) {
    const old = next[name]
    // What the probe counts follows with the next report: nobody knows who of them has come.
    if (!old || isProbed(old)) continue
    const count = old.count - Math.max(0, add - (down[name] ?? 0)) - Math.min(0, add)
    next[name] = { ...old, count: Math.min(old.capacity, Math.max(0, count)) }
  }
  return next
}

function stillDown(down: Amounts = {}, added: Amounts): Amounts {
  const left = (name: string, amount: number) => amount - Math.max(0, added[name] ?? 0)
  return Object.fromEntries(Object.entries(down).map(([name, amount]) => [name, left(name, amount)]))
}

/** The values of a list that these allocations have given to it. */
export function givenTo(allocations: readonly Allocation[], list: string): ReadonlySet<string> {
  return new Set(allocations.flatMap(({ undo }) => undo?.lists?.[list] ?? []))
}

/** What another one has given as well stays. */
function unlisted(
  lists: NonNullable<Ship['lists']>,
  appended: Record<string, string[]>,
  others: readonly Allocation[],
) {
  const next = { ...lists }
  for (const [name, values] of Object.entries(appended)) {
    const old = next[name]
    if (!old) continue
    const kept = givenTo(others, name)
    const goes = (value: string) => values.includes(value) && !kept.has(value)
    next[name] = { ...old, values: old.values.filter((value) => !goes(value)) }
  }
  return next
}
