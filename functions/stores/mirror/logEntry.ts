// One change of a ship, fleet or host as the event log keeps it, and the events that it means.
import type { ArmadaEvent, PastEvent } from '../../../shared/model/event.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import type { FleetEntry, ShipEntry } from '../../../shared/model/history.ts'
import type { Host } from '../../../shared/model/host.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import type { Change } from '../etcd/kv.ts'
import { etcdKeys } from '../keys.ts'

interface Kinds {
  ships: Ship
  fleets: Fleet
  hosts: Host
}
export type Kind = keyof Kinds

type Entry = ShipEntry | FleetEntry

/** Kept by the ten thousand. Most changes happen while nobody reads events, so these are made for the first who does. */
export class LogEntry {
  /** gap: what happened before it cannot be told whole. */
  readonly kind: Kind | 'gap'
  readonly revision: number
  readonly id: string
  /** The fleet that it concerns. A ship never changes its fleet. */
  readonly fleet: string | null
  /** Of a ship: the hosts it was on before and is on now. */
  readonly hosts: readonly string[]
  /** Place of the first of the events among those of its commit. */
  readonly place: number
  readonly #unseen: readonly Entry[]
  #events: readonly ArmadaEvent[] | undefined

  constructor(
    { kind, revision, id }: Pick<LogEntry, 'kind' | 'revision' | 'id'>,
    { fleet, hosts }: Pick<LogEntry, 'fleet' | 'hosts'> = { fleet: null, hosts: [] },
    unseen: readonly Entry[] = [],
    place = 0,
  ) {
    this.kind = kind
    this.revision = revision
    this.id = id
    this.fleet = fleet
    this.hosts = hosts
    this.place = place
    this.#unseen = unseen
    this.#events = undefined
  }

  get events(): readonly ArmadaEvent[] {
    this.#events ??= this.#unseen.map((entry, i) => ({
      id: `${this.revision}-${this.place + i}`,
      ...eventOf(entry, this.id, this.fleet),
    }))
    return this.#events
  }
}

export type Changed = {
  [K in Kind]: {
    kind: K
    id: string
    revision: number
    after: Kinds[K] | undefined
    before: Kinds[K] | undefined
  }
}[Kind]

/** Gives the places of events within their commits. Commits come in order. */
export type Numbering = (revision: number, count: number) => number

export function numbering(): Numbering {
  let at = 0
  let next = 0
  return (revision, count) => {
    if (revision !== at) next = 0
    at = revision
    next += count
    return next - count
  }
}

export function entryOf(changed: Changed, number: Numbering): LogEntry {
  const unseen = unseenIn(changed)
  const hosts = changed.kind === 'ships' ? hostsOf(changed.before, changed.after) : []
  const place = number(changed.revision, unseen.length)
  return new LogEntry(changed, { fleet: fleetOf(changed), hosts }, unseen, place)
}

/** The same from a change as etcd's history has it; undefined when it is of no kind that is logged. */
export function readEntry(change: Change, number: Numbering): LogEntry | undefined {
  for (const kind of ['ships', 'fleets', 'hosts'] as const) {
    if (!change.key.startsWith(etcdKeys[kind])) continue
    const id = change.key.slice(etcdKeys[kind].length)
    const [after, before] = [change.value, change.before].map((text) => text && JSON.parse(text))
    return entryOf({ kind, id, revision: change.revision, after, before } as Changed, number)
  }
  return undefined
}

/** What the record's history has that it had not before. */
function unseenIn({ kind, after, before }: Changed): readonly Entry[] {
  if (kind === 'hosts' || !after || !('createdAt' in after)) return []
  const past = before as Ship | Fleet | undefined
  // A record that was made anew under the same name counts from the beginning.
  const seen = past?.createdAt === after.createdAt ? (past.history?.at(-1)?.n ?? 0) : 0
  const history: readonly Entry[] = after.history ?? []
  let from = history.length
  while (from > 0 && (history[from - 1] as Entry).n > seen) from--
  return history.slice(from)
}

export function shipEvents({ id, fleet, history = [] }: Ship): PastEvent[] {
  return history.map((entry) => eventOf(entry, id, fleet))
}

export function fleetEvents({ name, history = [] }: Fleet): PastEvent[] {
  return history.map((entry) => eventOf(entry, name, name))
}

function eventOf(entry: Entry, id: string, fleet: string | null): PastEvent {
  const { n: number, at, reason = null } = entry
  if ('what' in entry) {
    const type = `fleet.${entry.what}`
    return { type, at, ship: null, fleet, number, attempt: null, state: null, host: null, reason }
  }
  const { state, attempt, host = null, refused } = entry
  const type = refused ? 'ship.refused' : `ship.${state.toLowerCase()}`
  return { type, at, ship: id, fleet, number, attempt, state, host, reason }
}

function fleetOf({ kind, id, after, before }: Changed): string | null {
  if (kind === 'fleets') return id
  return kind === 'ships' ? ((after ?? before) as Ship).fleet : null
}

function hostsOf(before: Ship | undefined, after: Ship | undefined): string[] {
  const [was, is] = [before?.host, after?.host]
  if (was && is && was !== is) return [was, is]
  return was ? [was] : is ? [is] : []
}
