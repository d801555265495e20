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

export interface LogEntry {
  /** gap: what happened before it cannot be told whole. */
  kind: Kind | 'gap'
  revision: number
  id: string
  /** The fleet that it concerns. A ship never changes its fleet. */
  fleet: string | null
  /** Of a ship: the hosts it was on before and is on now. */
  hosts: readonly string[]
  events: readonly ArmadaEvent[]
  /** Place of the first of the events among those of its commit. */
  place: number
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
  const { kind, id, revision } = changed
  const unseen = unseenIn(changed)
  const place = number(revision, unseen.length)
  const fleet = fleetOf(changed)
  let events: ArmadaEvent[] | undefined
  return {
    ...{ kind, id, revision, place, fleet },
    hosts: changed.kind === 'ships' ? hostsOf(changed.before, changed.after) : [],
    // Most changes happen while nobody reads events. The record itself is not kept for it.
    get events() {
      events ??= unseen.map((entry, i) => ({ id: `${revision}-${place + i}`, ...eventOf(entry, id, fleet) }))
      return events
    },
  }
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

type Entry = ShipEntry | FleetEntry

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
