// Lanes: the ships that one kind of request may take, in the order in which it should.
//
// A lane is made by one look at all ships, and from then on grows by what changes: 20,000 Ready ships cost 10 ms once,
// not with every request. Its order is that of the look, at most some seconds old; whether a ship is still to be had is
// asked of its newest record each time.
//
// INVARIANTS
// - Every ship that the selector takes is in the lane, or in what changed since the lane was last used.
// - ApiServers begin with different ships: each ship is one's own (rendezvous hashing), and others' come last.
import type { Want } from '../../../shared/model/allocation.ts'
import { ordersOf } from '../../../shared/model/host.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isInUse } from '../../../shared/model/shipState.ts'
import { fits } from '../../../shared/model/token.ts'
import type { Row } from '../../stores/mirror/table.ts'
import type { Stores } from '../../stores/stores.ts'
import { mismatch } from '../changes/allocating.ts'

const mostLanes = 200
const orderMs = 5_000
const mostFresh = 100_000
/** Agents report every 5 s. */
const silentMs = 15_000

export class Lane {
  readonly want: Want
  readonly #lanes: Lanes
  #ids: string[] = []
  #at = 0
  #freshAt = 0
  #madeAtMs = Number.NEGATIVE_INFINITY
  #made = ''

  constructor(want: Want, lanes: Lanes) {
    this.want = want
    this.#lanes = lanes
  }

  /** The next ship that may be had; it stays the next one until it is dropped. */
  peek(): string | undefined {
    if (performance.now() - this.#madeAtMs > orderMs) this.make()
    for (;;) {
      const id = this.#ids[this.#at]
      if (id !== undefined) return id
      if (!this.#grow()) return undefined
    }
  }

  drop(): void {
    this.#at++
  }

  /** Looks at all ships anew, unless nothing has changed since the last time. */
  make(): void {
    this.#madeAtMs = performance.now()
    if (this.#made === this.#lanes.version) return
    this.#made = this.#lanes.version
    this.#ids = this.#lanes.ordered(this.want)
    this.#at = 0
    this.#freshAt = this.#lanes.freshEnd
  }

  /** Takes in what changed. @returns whether that was anything. */
  #grow(): boolean {
    const fresh = this.#lanes.freshFrom(this.#freshAt)
    if (!fresh) {
      this.make()
      return this.#ids.length > 0
    }
    this.#freshAt = this.#lanes.freshEnd
    this.#ids = fresh.filter((id) => this.#lanes.takes(this.want, id))
    this.#at = 0
    return this.#ids.length > 0
  }
}

export class Lanes {
  readonly #stores: Pick<Stores, 'ships' | 'hosts' | 'samples' | 'apiServers'>
  readonly #lanes = new Map<string, Lane>()
  readonly #names = new WeakMap<Want, string>()
  /** Records that are newer than memory: those that this ApiServer wrote or met just now. */
  readonly #late = new Map<string, Row<Ship>>()
  readonly #inUse = new Map<string, number>()
  /** Ships that changed, in order; places run on while old ones go. */
  #fresh: string[] = []
  #freshFirst = 0
  #epoch = 0

  constructor(stores: Pick<Stores, 'ships' | 'hosts' | 'samples' | 'apiServers'>) {
    this.#stores = stores
    stores.ships.table.onChange((id, after, before) => {
      const late = this.#late.get(id)
      if (late && (!after || after.revision >= late.revision)) this.#late.delete(id)
      this.#count(before?.value, -1)
      this.#count(after?.value, 1)
      if (after && (after.value.state === 'Ready' || after.value.state === 'Allocated')) this.again([id])
    })
    const anew = () => {
      this.#epoch++
    }
    stores.hosts.table.onChange(anew)
    stores.apiServers.table.onChange((_, after, before) => {
      if (!after || !before) anew()
    })
  }

  lane(want: Want): Lane {
    const key = this.#names.get(want) ?? JSON.stringify(want)
    this.#names.set(want, key)
    const lane = this.#lanes.get(key) ?? new Lane(want, this)
    // The one that was not asked for longest goes first.
    this.#lanes.delete(key)
    this.#lanes.set(key, lane)
    if (this.#lanes.size > mostLanes) this.#lanes.delete(this.#lanes.keys().next().value ?? '')
    return lane
  }

  /** The newest record that is known. */
  row(id: string): Row<Ship> | undefined {
    return this.#late.get(id) ?? this.#stores.ships.table.get(id)
  }

  /** Learns of a record that memory may not show yet. */
  note(row: Row<Ship>): void {
    const { id } = row.value
    if ((this.row(id)?.revision ?? 0) < row.revision) this.#late.set(id, row)
  }

  /** These may be had (again): every lane looks at them anew. */
  again(ids: readonly string[]): void {
    this.#fresh.push(...ids)
    const over = this.#fresh.length - mostFresh
    if (over < mostFresh / 2) return
    this.#fresh = this.#fresh.slice(over)
    this.#freshFirst += over
  }

  get freshEnd(): number {
    return this.#freshFirst + this.#fresh.length
  }

  /** undefined: some of it is not known any more. */
  freshFrom(place: number): string[] | undefined {
    if (place < this.#freshFirst) return undefined
    return [...new Set(this.#fresh.slice(place - this.#freshFirst))]
  }

  /** Changes with everything that a look at all ships depends on. */
  get version(): string {
    return `${this.#epoch} ${this.freshEnd}`
  }

  takes({ selector, fleets }: Want, id: string): boolean {
    const ship = this.row(id)?.value
    return (
      ship !== undefined &&
      sees(fleets, ship.fleet) &&
      (selector.fleet === undefined || ship.fleet === selector.fleet) &&
      mismatch(selector, ship) === undefined &&
      this.tierOf(ship) !== undefined
    )
  }

  /** 0: as it should be; 1: only where there is nothing else; undefined: its ships are about to leave. */
  tierOf({ host }: Ship): 0 | 1 | undefined {
    const row = host === null ? undefined : this.#stores.hosts.table.get(host)
    if (!row || host === null) return 1
    const { cordon, drain } = ordersOf(row.value)
    if (drain) return undefined
    const heardAt = this.#stores.samples.heardAt(host)
    return cordon || (heardAt !== undefined && Date.now() - Date.parse(heardAt) > silentMs) ? 1 : 0
  }

  /** All ships that the want takes, in its order. */
  ordered(want: Want): string[] {
    const { index } = this.#stores.ships
    const { fleet, state } = want.selector
    const rows = fleet === undefined ? index.inState(state) : index.ofFleet(fleet)
    const hosts = new Map<string, { tier: number; use: number; own: Ship[]; others: Ship[] }>()
    const { me } = this.#stores.apiServers
    const servers = this.#stores.apiServers.names()
    for (const { value } of rows) {
      if (!this.takes(want, value.id)) continue
      const ship = this.row(value.id)?.value as Ship
      const host = ship.host ?? ''
      const shelf = hosts.get(host) ?? {
        ...{ tier: this.tierOf(ship) ?? 1, use: this.#inUse.get(host) ?? 0 },
        ...{ own: [], others: [] },
      }
      hosts.set(host, shelf)
      if (servers.length === 1 || ownerOf(ship.id, servers) === me) shelf.own.push(ship)
      else shelf.others.push(ship)
    }
    const shelves = [...hosts.values()]
    return [0, 1].flatMap((tier) => {
      const those = shelves.filter((shelf) => shelf.tier === tier)
      return (['own', 'others'] as const).flatMap((whose) =>
        lined(
          those.map(({ use, [whose]: ships }) => ({ use, ships })),
          want,
        ).map(({ id }) => id),
      )
    })
  }

  #count(ship: Ship | undefined, by: 1 | -1): void {
    if (!ship?.host || !isInUse(ship.state)) return
    const use = (this.#inUse.get(ship.host) ?? 0) + by
    if (use > 0) this.#inUse.set(ship.host, use)
    else this.#inUse.delete(ship.host)
  }
}

export function sees(fleets: readonly string[] | null, fleet: string | null): boolean {
  return fleets === null || (fleet !== null && fleets.some((pattern) => fits(pattern, fleet)))
}

/** In the order of the strategy, and before it of the priorities. */
function lined(shelves: readonly { use: number; ships: Ship[] }[], want: Want): Ship[] {
  const { strategy, priorities } = want
  const packed = strategy === 'packed'
  // What the use of the host will be when its k-th ship is taken: so that the distributed come one from each host.
  const ships = packed
    ? [...shelves].sort((a, b) => b.use - a.use).flatMap((shelf) => shelf.ships)
    : shelves
        .flatMap(({ use, ships }) => ships.map((ship, k) => ({ ship, use: use + k })))
        .sort((a, b) => a.use - b.use)
        .map(({ ship }) => ship)
  const measures = priorities.map(({ type, key, order }) => {
    const sign = order === 'ascending' ? 1 : -1
    return (ship: Ship) => sign * roomOf(ship, type, key, sign)
  })
  if (want.selector.state === 'Allocated') {
    const names = [...Object.keys(want.selector.counters), ...Object.keys(want.counters)]
    const lists = [...Object.keys(want.selector.lists), ...Object.keys(want.lists)]
    const sign = packed ? 1 : -1
    for (const name of new Set(names)) measures.push((ship) => sign * roomOf(ship, 'counter', name, sign))
    for (const name of new Set(lists)) measures.push((ship) => sign * roomOf(ship, 'list', name, sign))
  }
  if (measures.length === 0) return ships
  const measured = ships.map((ship) => ({ ship, by: measures.map((measure) => measure(ship)) }))
  measured.sort((a, b) => {
    const first = a.by.findIndex((value, i) => value !== b.by[i])
    return first < 0 ? 0 : (a.by[first] ?? 0) - (b.by[first] ?? 0)
  })
  return measured.map(({ ship }) => ship)
}

/** Ships without it come last, whatever the order. */
function roomOf(ship: Ship, type: 'counter' | 'list', key: string, sign: number): number {
  const counter = type === 'counter' ? ship.counters?.[key] : undefined
  if (counter) return counter.capacity - counter.count
  const list = type === 'list' ? ship.lists?.[key] : undefined
  return list ? list.capacity - list.values.length : sign * Number.MAX_SAFE_INTEGER
}

function ownerOf(ship: string, servers: readonly string[]): string {
  let best = -1
  let owner = ''
  for (const server of servers) {
    const weight = hash(server + ship)
    if (weight > best) {
      best = weight
      owner = server
    }
  }
  return owner
}

/** FNV-1a with a last mix: alike names would else lie side by side. */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  return (h ^ (h >>> 13)) >>> 0
}
