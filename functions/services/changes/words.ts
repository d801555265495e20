// What a ship's words do to its record. Pure: it takes the record as it is and says what becomes of it.
//
// INVARIANTS
// - A word is taken once: the record keeps the number of the last one, in the same write.
// - A word that is refused changes nothing, and nothing after it is looked at.

import { doneBy } from '../../../shared/model/doneBy.ts'
import { Labels } from '../../../shared/model/name.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { Annotations, dataBytes, mostDataBytes, mostListed } from '../../../shared/model/shipData.ts'
import { isFinished, type ShipState } from '../../../shared/model/shipState.ts'
import {
  ownPrefix,
  type Refusal,
  type RefusalCode,
  type ShipSelf,
  type Word,
} from '../../../shared/model/word.ts'
import type { Row } from '../../stores/mirror/table.ts'
import { recounted } from './countedDown.ts'
import { unleased } from './given.ts'
import { move } from './lifecycle.ts'
import { isProbed } from './probed.ts'

export interface Heard {
  ship: Ship
  /** Words from the first on that are in effect now, those of earlier requests among them. */
  taken: number
  refused: Refusal | null
}

type Say = Word['say']
type Saying<S extends Say> = Extract<Word, { say: S }>

export class Refused extends Error {
  readonly code: RefusalCode

  constructor(code: RefusalCode, detail: string) {
    super(detail)
    this.code = code
  }
}

export function hear(ship: Ship, first: number, words: readonly Word[]): Heard {
  let now = ship
  for (const [i, word] of words.entries()) {
    const number = first + i
    if (number <= (ship.said ?? 0)) continue
    try {
      const next = (effects[word.say] as (ship: Ship, word: Word) => Ship)(now, word)
      now = { ...recounted(now, next), said: number }
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return { ship: now, taken: i, refused: { code: error.code, detail: error.message } }
    }
  }
  return { ship: now, taken: words.length, refused: null }
}

/** What a ship is told of itself. */
export function selfOf({ value, revision }: Row<Ship>): ShipSelf {
  const { id: ship, attempt, state, fleet, name, labels, address, ports, createdAt } = value
  const { annotations = {}, counters = {}, lists = {}, reservedUntil = null, said = 0 } = value
  const data = { ...(name && { name }), annotations, counters, lists, reservedUntil, said }
  return { ship, attempt, revision, state, fleet, labels, address, ports, createdAt, ...data }
}

/** Changes of counters and lists by others than the ship: all of them, or none. */
export interface DataChange {
  counters: Record<
    string,
    { count?: number | undefined; capacity?: number | undefined; add?: number | undefined }
  >
  lists: Record<string, { append: string[]; remove: string[]; capacity?: number | undefined }>
}

/** @param time when its session will be over; null: nobody knows. @throws Refused when there is no room for it. */
export function promising(ship: Ship, time: string | null | undefined): Ship {
  if (time === undefined) return ship
  const { [doneBy]: _, ...others } = ship.annotations ?? {}
  const annotations = time === null ? others : { ...others, [doneBy]: time }
  const { success, error } = Annotations.safeParse(annotations)
  if (!success) throw new Refused('RESOURCE_EXHAUSTED', messageOf(error))
  return fitting({ ...ship, annotations })
}

/**
 * Of a list first what goes, then the capacity, then what comes; what is there already, or is not there, is no error.
 * @param sends players who are on their way count on top of those whom a probe counts; nothing else changes these.
 * @throws Refused when a capacity does not allow it, or the ship has not declared it.
 */
export function changeData(ship: Ship, { counters, lists }: DataChange, sends = false): Ship {
  let now = ship
  for (const [name, change] of Object.entries(counters)) now = counted(now, name, change, sends)
  for (const [name, { append, remove, capacity }] of Object.entries(lists)) {
    const old = declared(now.lists, name, 'list', 'lists')
    const going = new Set(remove)
    const kept = old.values.filter((value) => !going.has(value))
    const values = [...new Set([...kept, ...append])]
    now = effects.list(now, { say: 'list', name, values, ...defined({ capacity }) })
  }
  return now
}

const effects: { readonly [S in Say]: (ship: Ship, word: Saying<S>) => Ship } = {
  ready: (ship) => go(ship, 'Ready', null, { failedStarts: 0, avoidHosts: [] }),
  // It is in use: leases need not be confirmed any more.
  allocate: (ship) => go(unleased(ship), 'Allocated', 'it allocated itself through its SDK'),
  reserve: (ship, { seconds }) => {
    const reservedUntil = seconds > 0 ? new Date(Date.now() + seconds * 1_000).toISOString() : null
    return go(ship, 'Reserved', 'it reserved itself through its SDK', { reservedUntil })
  },
  expire: (ship, { until }) =>
    ship.state === 'Reserved' && ship.reservedUntil === until ? go(ship, 'Ready', null) : ship,
  shutdown: (ship) => go(ship, 'Stopping', 'it asked to be shut down through its SDK'),
  label: (ship, { key, value }) => {
    const labels = Labels.safeParse({ ...ship.labels, [ownPrefix + key]: value })
    if (labels.success) return { ...ship, labels: labels.data }
    const most = `at most ${63 - ownPrefix.length} characters in the key, 63 in the value, and 32 labels`
    throw new Refused(
      'INVALID_ARGUMENT',
      `label "${key}" cannot be set: ${messageOf(labels.error)} (${most})`,
    )
  },
  annotation: (ship, { key, value }) => {
    const annotations = Annotations.safeParse({ ...ship.annotations, [ownPrefix + key]: value })
    if (annotations.success) return fitting({ ...ship, annotations: annotations.data })
    throw new Refused(
      'INVALID_ARGUMENT',
      `annotation "${key}" cannot be set: ${messageOf(annotations.error)}`,
    )
  },
  counter: (ship, { name, ...change }) => counted(ship, name, change, false),
  list: (ship, { name, capacity, values }) => {
    const old = declared(ship.lists, name, 'list', 'lists')
    if (capacity !== undefined && !(isAmount(capacity) && capacity <= mostListed)) {
      throw outOfRange('Capacity', capacity, mostListed)
    }
    const most = capacity ?? old.capacity
    if (values && values.length > most) {
      throw new Refused('OUT_OF_RANGE', `${values.length} values do not fit into list "${name}" of ${most}`)
    }
    const next = { values: [...new Set(values ?? old.values)].slice(0, most), capacity: most }
    return fitting({ ...ship, lists: { ...ship.lists, [name]: next } })
  },
  append: (ship, { name, value }) => {
    const { values, capacity } = declared(ship.lists, name, 'list', 'lists')
    if (values.includes(value)) {
      throw new Refused('ALREADY_EXISTS', `"${value}" is in list "${name}" already`)
    }
    if (values.length >= capacity) {
      throw new Refused('OUT_OF_RANGE', `list "${name}" is full: ${values.length} of ${capacity}`)
    }
    const next = { values: [...values, value], capacity }
    return fitting({ ...ship, lists: { ...ship.lists, [name]: next } })
  },
  remove: (ship, { name, value }) => {
    const { values, capacity } = declared(ship.lists, name, 'list', 'lists')
    if (!values.includes(value)) throw new Refused('NOT_FOUND', `"${value}" is not in list "${name}"`)
    const next = { values: values.filter((other) => other !== value), capacity }
    return { ...ship, lists: { ...ship.lists, [name]: next } }
  },
}

function counted(
  ship: Ship,
  name: string,
  { count, capacity, add }: DataChange['counters'][string],
  sends: boolean,
): Ship {
  const old = declared(ship.counters, name, 'counter', 'counters')
  if (isProbed(old) && !(sends && count === undefined && capacity === undefined))
    throw new Refused('FAILED_PRECONDITION', `counter "${name}" is kept by the probe of the ship`)
  if (capacity !== undefined && !isAmount(capacity)) throw outOfRange('Capacity', capacity)
  const most = capacity ?? old.capacity
  if (count !== undefined && !(isAmount(count) && count <= most)) throw beyond(name, count, most)
  const sum = (count ?? Math.min(old.count, most)) + (add ?? 0)
  if (!isAmount(sum) || sum > most) throw beyond(name, sum, most)
  return fitting({ ...ship, counters: { ...ship.counters, [name]: { ...old, count: sum, capacity: most } } })
}

/** A ship that is being stopped stays on its way, without an error: as in Agones, there is no escape from that. */
function go(ship: Ship, to: ShipState, reason: string | null, change: Partial<Ship> = {}): Ship {
  if (ship.state === 'Stopping' || isFinished(ship.state)) return ship
  if (ship.state === to && to !== 'Reserved') return ship
  const readyAt = to === 'Stopping' ? ship.readyAt : (ship.readyAt ?? new Date().toISOString())
  if (ship.state === to) return { ...ship, reason, ...change }
  const next = move(ship, to, 'agent', reason, { readyAt, ...change })
  if (next) return next
  throw new Refused('FAILED_PRECONDITION', `a ship that is ${ship.state} cannot become ${to}`)
}

function declared<T>(all: Record<string, T> | undefined, name: string, what: string, field: string): T {
  const found = all && Object.hasOwn(all, name) ? all[name] : undefined
  if (found !== undefined) return found
  const known = Object.keys(all ?? {}).join(', ') || 'none'
  throw new Refused('NOT_FOUND', `there is no ${what} "${name}"; \`${field}\` of the blueprint has ${known}`)
}

/** @throws Refused when the record would be too large. */
export function fitting(ship: Ship): Ship {
  const bytes = dataBytes(ship)
  if (bytes <= mostDataBytes) return ship
  const detail = `annotations, counters, lists and allocations of a ship may take ${mostDataBytes} bytes of JSON together; these would take ${bytes}`
  throw new Refused('RESOURCE_EXHAUSTED', detail)
}

function isAmount(number: number): boolean {
  return Number.isSafeInteger(number) && number >= 0
}

function outOfRange(what: string, found: number, most?: number): Refused {
  const range = most === undefined ? 'at least 0' : `between 0 and ${most}`
  return new Refused('OUT_OF_RANGE', `${what} must be ${range}; it would be ${found}`)
}

function beyond(name: string, count: number, capacity: number): Refused {
  const detail = `counter "${name}" counts from 0 to its capacity of ${capacity}; it would be ${count}`
  return new Refused('OUT_OF_RANGE', detail)
}

function messageOf(error: { issues: readonly { message: string }[] }): string {
  return error.issues.map((issue) => issue.message).join('; ')
}

function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}
