// Allocations as changes of a ship's record: whether it fits, how it is taken, confirmed and given back. Pure.
import {
  type Allocation,
  type AllocationRequest,
  type AllocationView,
  mostAllocationsOfShip,
  type ShipSelector,
} from '../../../shared/model/allocation.ts'
import { selects } from '../../../shared/model/labelSelector.ts'
import { Labels } from '../../../shared/model/name.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { Annotations } from '../../../shared/model/shipData.ts'
import { withoutOldestEnded } from './ended.ts'
import { givenTo, hiddenBy, withdrawn } from './given.ts'
import { move, remembering } from './lifecycle.ts'
import { changeData, fitting, Refused } from './words.ts'

/** What one request does to each ship that it takes. */
export type Gift = Pick<AllocationRequest, 'labels' | 'annotations' | 'counters' | 'lists' | 'reserve'>

export interface Taking {
  /** Last part of the allocation's id. */
  suffix: string
  by: string
  /** From when it gets its ship, however long it waited for one; null: for as long as the session lasts. */
  leaseMs: number | null
  gift: Gift
}

export function allocationId(ship: string, suffix: string): string {
  return `${ship}-${suffix}`
}

export function shipOf(allocation: string): string {
  return allocation.slice(0, allocation.lastIndexOf('-'))
}

/** Why the selector does not take the ship; undefined when it does. */
export function mismatch(selector: ShipSelector, ship: Ship): string | undefined {
  const { matchLabels, matchExpressions, counters, lists, state } = selector
  if (ship.state !== state) return `${ship.state}`
  for (const key in matchLabels) if (ship.labels[key] !== matchLabels[key]) return `label ${key} differs`
  if (matchExpressions.length > 0 && !selects(matchExpressions, ship.labels)) return 'labels do not match'
  for (const [name, need] of Object.entries(counters)) {
    const counter = ship.counters?.[name]
    if (!counter) return `no counter "${name}"`
    const { count, capacity } = counter
    if (!within(count, need.minCount, need.maxCount)) return `counter "${name}" does not match`
    if (!within(capacity - count, need.minAvailable, need.maxAvailable))
      return `counter "${name}" has no such room`
  }
  for (const [name, need] of Object.entries(lists)) {
    const list = ship.lists?.[name]
    if (!list) return `no list "${name}"`
    const { values, capacity } = list
    if (need.contains !== undefined && !values.includes(need.contains))
      return `list "${name}" lacks the value`
    if (!within(capacity - values.length, need.minAvailable, need.maxAvailable))
      return `list "${name}" has no such room`
  }
  return undefined
}

/** Whether a list has no room for what is appended: asked of a thousand full ships, for which errors are too dear. */
export function overfills({ lists = {} }: Ship, gift: Pick<Gift, 'lists'>): boolean {
  for (const name in gift.lists) {
    const list = lists[name]
    const change = gift.lists[name]
    if (!list || !change) continue
    const { append, remove, capacity = list.capacity } = change
    const { values } = list
    if (values.length + append.length <= capacity) continue
    const kept = remove.length > 0 ? values.filter((value) => !remove.includes(value)) : values
    const coming = new Set(append)
    for (const value of coming) if (kept.includes(value)) coming.delete(value)
    if (kept.length + coming.size > capacity) return true
  }
  return false
}

/**
 * The record with the allocation on it, or why it cannot be.
 * @param there of the ship's players, what its lease remembers.
 */
export function allocate(
  ship: Ship,
  taking: Taking,
  nowMs: number,
  there?: Allocation['there'],
): Ship | Refused {
  for (let now = ship; ; ) {
    const taken = allocated(now, taking, nowMs, there)
    if (!(taken instanceof Refused && taken.code === 'RESOURCE_EXHAUSTED')) return taken
    const left = withoutOldestEnded(now, nowMs)
    if (!left) return taken
    now = left
  }
}

/** RESOURCE_EXHAUSTED: its record is full. */
function allocated(
  ship: Ship,
  { suffix, by, leaseMs, gift }: Taking,
  nowMs: number,
  there: Allocation['there'],
): Ship | Refused {
  const { reserve } = gift
  const at = new Date(nowMs).toISOString()
  const leaseUntil = leaseMs === null ? null : new Date(nowMs + leaseMs).toISOString()
  const allocations = ship.allocations ?? []
  if (allocations.length >= mostAllocationsOfShip) {
    return new Refused('RESOURCE_EXHAUSTED', `has ${mostAllocationsOfShip} allocations already`)
  }
  const id = allocationId(ship.id, suffix)
  if (allocations.some((one) => one.id === id)) return new Refused('RESOURCE_EXHAUSTED', `${id} is taken`)
  try {
    const { ship: given, undo } = give(ship, gift)
    const allocation: Allocation = { id, at, by, leaseUntil, ...(undo && { undo }), ...(there && { there }) }
    const change = { allocations: [...allocations, allocation] }
    const reason = `${reserve ? 'reserved' : 'allocated'} by ${by} as ${id}`
    if (ship.state === 'Allocated') {
      if (reserve) return new Refused('FAILED_PRECONDITION', 'is Allocated already')
      return fitting(remembering({ ...given, ...change, reason }))
    }
    const to = reserve ? 'Reserved' : 'Allocated'
    const next = move(given, to, 'api', reason, { ...change, ...(reserve && { reservedUntil: leaseUntil }) })
    return next ? fitting(next) : new Refused('FAILED_PRECONDITION', `is ${ship.state}`)
  } catch (error) {
    if (error instanceof Refused) return error
    throw error
  }
}

/** @throws Refused when the capacity of the ship does not allow it. */
function give(ship: Ship, gift: Gift): { ship: Ship; undo: Allocation['undo'] } {
  const undo: NonNullable<Allocation['undo']> = {}
  let next = ship
  if (!isEmpty(gift.labels)) {
    undo.labels = hiddenBy(gift.labels, ship.labels)
    next = { ...next, labels: fit(Labels, { ...ship.labels, ...gift.labels }) }
  }
  if (!isEmpty(gift.annotations)) {
    undo.annotations = hiddenBy(gift.annotations, ship.annotations ?? {})
    next = { ...next, annotations: fit(Annotations, { ...ship.annotations, ...gift.annotations }) }
  }
  if (!isEmpty(gift.counters) || !isEmpty(gift.lists)) {
    next = changeData(next, gift, true)
    const added = Object.entries(gift.counters).filter(([, { add }]) => add)
    if (added.length > 0) undo.counters = Object.fromEntries(added.map(([name, { add = 0 }]) => [name, add]))
    const lists = Object.entries(gift.lists).map(([name, { append }]) => {
      const had = new Set(ship.lists?.[name]?.values)
      const given = givenTo(ship.allocations ?? [], name)
      // Also what another has given already: it stays until the last of them ends. The ship's own stays for ever.
      return [name, [...new Set(append)].filter((value) => !had.has(value) || given.has(value))] as const
    })
    const appended = lists.filter(([, values]) => values.length > 0)
    if (appended.length > 0) undo.lists = Object.fromEntries(appended)
  }
  return { ship: next, undo: isEmpty(undo) ? undefined : undo }
}

/**
 * The session is over, or never began: the allocation goes with what it gave. With its last one the ship is Ready for
 * the next session, or stops.
 */
export function giveBack(ship: Ship, id: string, then: 'ready' | 'stop', reason: string): Ship | undefined {
  if (!ship.allocations?.some((one) => one.id === id)) return undefined
  const left = withdrawn(ship, id)
  if (left.allocations?.length) return remembering({ ...left, reason })
  // It is unwell, and its host says when it is not: then nobody has it any more.
  if (ship.state === 'Unhealthy' || ship.state === 'Lost') {
    if (then === 'ready') return remembering({ ...left, reason: ship.reason, wasInUse: null })
    // Nobody can stop what is Lost: should its host come back, that one ends it as a stray.
    return move(left, ship.state === 'Lost' ? 'Stopped' : 'Stopping', 'api', reason)
  }
  return move(left, then === 'stop' ? 'Stopping' : 'Ready', 'api', reason)
}

/** It was used: the lease is over, and a reservation is an allocation. Without an id: all of them. */
export function confirm(ship: Ship, by: string, id?: string): Ship | undefined {
  const open = (one: Allocation) => one.leaseUntil !== null && (id === undefined || one.id === id)
  if (!ship.allocations?.some(open)) return undefined
  const allocations = ship.allocations.map((one) => (open(one) ? { ...one, leaseUntil: null } : one))
  const change = { allocations }
  if (ship.state === 'Reserved') return move(ship, 'Allocated', 'api', `confirmed by ${by}`, change)
  const wasInUse = ship.wasInUse === 'Reserved' ? { wasInUse: 'Allocated' as const, reservedUntil: null } : {}
  return { ...ship, ...change, ...wasInUse }
}

export function isLapsed({ leaseUntil }: Allocation, nowMs = Date.now()): boolean {
  return leaseUntil !== null && Date.parse(leaseUntil) <= nowMs
}

export function viewOf(ship: Ship, { id, at, by, leaseUntil }: Allocation): AllocationView {
  const { id: name, fleet, state, host, address, ports, labels } = ship
  const { annotations = {}, counters = {}, lists = {} } = ship
  const of = { fleet, state, host, address, ports, labels, annotations, counters, lists }
  return { id, ship: name, ...of, at, by, leaseUntil }
}

function fit<T>(
  schema: { safeParse(value: unknown): { data?: T; error?: { issues: { message: string }[] } } },
  value: unknown,
): T {
  const { data, error } = schema.safeParse(value)
  if (data !== undefined) return data
  throw new Refused('RESOURCE_EXHAUSTED', error?.issues[0]?.message ?? 'does not fit')
}

function within(value: number, least: number | undefined, most: number | undefined): boolean {
  return (least === undefined || value >= least) && (most === undefined || value <= most)
}

function isEmpty(record: object): boolean {
  for (const _ in record) return false
  return true
}
