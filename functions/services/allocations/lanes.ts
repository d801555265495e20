// Lanes: the ships that one kind of request may take, in the order in which it should.
//
// A lane is made by one look at all ships, and from then on grows by what changes: 20,000 Ready ships cost 10 ms once,
// not with every request. Its order is that of the look, some seconds old; while a lane is in use the next look is made
// bit by bit beside the requests. Whether a ship is still to be had is asked of its newest record each time.
//
// INVARIANTS
// - Every ship that the selector takes is in the lane, in what changed since the lane was last used, or in a change that
//   memory is about to show.
// - ApiServers begin with different ships: each ship is one's own (rendezvous hashing), and others' come last. Unless
//   priorities say which are first.
import { forgetOldest } from '../../../shared/forget.ts'
import type { Want } from '../../../shared/model/allocation.ts'
import { ordersOf } from '../../../shared/model/host.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isInUse } from '../../../shared/model/shipState.ts'
import { covers } from '../../../shared/model/token.ts'
import type { Sample } from '../../stores/lookups.ts'
import type { Row } from '../../stores/mirror/table.ts'
import type { Stores } from '../../stores/stores.ts'
import { mismatch } from '../changes/allocating.ts'
import { likeness } from './likeness.ts'
import { InOrder, type Line, MostRoom } from './lines.ts'
import { isByMostRoom, lined, measuresOf, ownership, shelved } from './order.ts'

const mostLanes = 200
const orderMs = 5_000
/** Nobody has asked for long: the first who does waits for the look. */
const oldOrderMs = 20_000
/** Ships that are looked at in one go. */
const mostAtOnce = 1_000
const mostFresh = 100_000
/** Agents report every 5 s. */
const silentMs = 15_000

export class Lane {
  readonly want: Want
  readonly #lanes: Lanes
  #line: Line = new InOrder([], true)
  #freshAt = 0
  #madeAtMs = Number.NEGATIVE_INFINITY
  #made = ''
  #epoch = -1
  #making = false

  constructor(want: Want, lanes: Lanes) {
    this.want = want
    this.#lanes = lanes
  }

  /** The next ship that may be had; it stays the next one until it is dropped or used. */
  peek(): string | undefined {
    const ageMs = performance.now() - this.#madeAtMs
    if (ageMs > oldOrderMs) this.make()
    // Should it fail, the order grows old, and who needs it next meets the error.
    else if (ageMs > orderMs) void this.#makeMeanwhile().catch(() => undefined)
    for (;;) {
      const id = this.#line.first()
      if (id !== undefined) return id
      if (!this.#grow()) return undefined
    }
  }

  drop(): void {
    this.#line.drop()
  }

  /** The next one was taken, or room on it. */
  used(taken: { before: Row<Ship>; after: Ship }): void {
    this.#line.used(taken)
  }

  /** Those that were dropped by a request which they did not suit, while they may suit another one. */
  back(ids: readonly string[]): void {
    this.#line.back(ids)
  }

  /** Looks at all ships anew, unless nothing has changed since the last time. */
  make(): void {
    const look = this.#look()
    while (!look.next().done);
  }

  /** Looks at all ships anew where those that changed do not tell of all that may be had. */
  complete(): void {
    if (this.#epoch !== this.#lanes.epoch) this.make()
  }

  /** Makes it bit by bit: requests go on with the order that there is. */
  async #makeMeanwhile(): Promise<void> {
    if (this.#making) return
    this.#making = true
    try {
      const look = this.#look()
      while (!look.next().done) await new Promise((resolve) => setImmediate(resolve))
    } finally {
      this.#making = false
    }
  }

  *#look(): Generator<void, void> {
    const { version, freshEnd, epoch } = this.#lanes
    const before = this.#made
    const ids = version === before ? undefined : yield* this.#lanes.look(this.want)
    // Whoever could not wait for this look has made a newer one.
    if (this.#made !== before) return
    this.#madeAtMs = performance.now()
    this.#epoch = epoch
    if (!ids) return
    this.#made = version
    this.#line = this.#lanes.line(this.want, ids)
    this.#freshAt = freshEnd
  }

  /** Takes in what changed, some of it at a time. @returns whether that was anything. */
  #grow(): boolean {
    for (;;) {
      const fresh = this.#lanes.freshFrom(this.#freshAt, mostAtOnce)
      if (!fresh) {
        this.make()
        return this.#line.first() !== undefined
      }
      if (fresh.length === 0) return false
      this.#freshAt += fresh.length
      const ids = [...new Set(fresh)].filter((id) => this.#lanes.takes(this.want, id))
      this.#line = this.#lanes.line(this.want, ids)
      if (ids.length > 0) return true
    }
  }
}

/** Ships of one host: those that are this ApiServer's own, and the rest. */
interface HostShelves {
  tier: 0 | 1 | undefined
  use: number
  own: string[]
  others: string[]
}

export class Lanes {
  readonly #stores: Pick<Stores, 'ships' | 'hosts' | 'samples' | 'apiServers'>
  readonly #lanes = new Map<string, Lane>()
  readonly #names = new WeakMap<Want, string>()
  readonly #inUse = new Map<string, number>()
  /** Ships that changed, in order; places run on while old ones go. */
  #fresh: string[] = []
  #freshFirst = 0
  #epoch = 0

  constructor(stores: Pick<Stores, 'ships' | 'hosts' | 'samples' | 'apiServers'>) {
    this.#stores = stores
    stores.ships.table.onChange((id, after, before) => {
      carryOver(before, after)
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
    const key = this.#names.get(want) ?? likeness(want)
    this.#names.set(want, key)
    const lane = this.#lanes.get(key) ?? new Lane(want, this)
    // The one that was not asked for longest goes first.
    this.#lanes.delete(key)
    this.#lanes.set(key, lane)
    forgetOldest(this.#lanes, mostLanes)
    return lane
  }

  line(want: Want, ids: string[]): Line {
    if (!isByMostRoom(want)) return new InOrder(ids, want.selector.state === 'Allocated')
    const measures = measuresOf(want)
    return new MostRoom(
      ids,
      (id) => this.row(id),
      (ship) => [this.tierOf(ship) ?? 1, ...measures.map((measure) => measure(ship))],
    )
  }

  /** The newest record that is known. */
  row(id: string): Row<Ship> | undefined {
    const shown = this.#stores.ships.table.get(id)
    return shown?.newer ?? shown
  }

  /** Learns of a record that memory may not show yet. */
  note(row: Row<Ship>): void {
    const shown = this.#stores.ships.table.get(row.value.id)
    if (shown && (shown.newer ?? shown).revision < row.revision) shown.newer = row
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

  /** What changed from that place on; undefined: some of it is not known any more. */
  freshFrom(place: number, most: number): string[] | undefined {
    if (place < this.#freshFirst) return undefined
    const at = place - this.#freshFirst
    return this.#fresh.slice(at, at + most)
  }

  /** Changes with hosts and ApiServers: it lets in ships that have not changed themselves. */
  get epoch(): number {
    return this.#epoch
  }

  /** Changes with everything that a look at all ships depends on. */
  get version(): string {
    return `${this.#epoch} ${this.freshEnd}`
  }

  takes(want: Want, id: string): boolean {
    const ship = this.row(id)?.value
    return ship !== undefined && suits(want, ship) && this.tierOf(ship) !== undefined
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

  /** As its host last told. */
  playersOn(id: string): number {
    const text = this.#stores.samples.textOf(id)
    return text === null ? 0 : ((JSON.parse(text) as Sample).players ?? 0)
  }

  /** All ships that the want takes, in its order; pauses after so many. */
  *look(want: Want): Generator<void, string[]> {
    const { index } = this.#stores.ships
    const { fleet, state } = want.selector
    const { me } = this.#stores.apiServers
    // Which is the first by priority is for nobody else to say: there ApiServers meet at the same ships.
    const isOwn = want.priorities.length > 0 ? () => true : ownership(me, this.#stores.apiServers.names())
    const hosts = new Map<string | null, HostShelves>()
    let seen = 0
    for (const row of index.walk({ fleet, state })) {
      if (++seen % mostAtOnce === 0) yield
      const ship = (row.newer ?? row).value
      if (!suits(want, ship)) continue
      const at = hosts.get(ship.host) ?? this.#shelvesOf(ship)
      hosts.set(ship.host, at)
      at[isOwn(ship.id) ? 'own' : 'others'].push(ship.id)
    }
    const shipOf = (id: string) => this.row(id)?.value
    // Where most room is first, the own ones are first among equals only: the line puts them all in their places.
    const isPlaced = isByMostRoom(want)
    return [0, 1].flatMap((tier) => {
      const those = [...hosts.values()].filter((at) => at.tier === tier)
      return (['own', 'others'] as const).flatMap((whose) => {
        const shelves = those.map(({ use, [whose]: ships }) => ({ use, ships }))
        return isPlaced ? shelved(shelves, want) : lined(shelves, want, shipOf)
      })
    })
  }

  #shelvesOf(ship: Ship): HostShelves {
    const use = this.#inUse.get(ship.host ?? '') ?? 0
    return { tier: this.tierOf(ship), use, own: [], others: [] }
  }

  #count(ship: Ship | undefined, by: 1 | -1): void {
    if (!ship?.host || !isInUse(ship.state)) return
    const use = (this.#inUse.get(ship.host) ?? 0) + by
    if (use > 0) this.#inUse.set(ship.host, use)
    else this.#inUse.delete(ship.host)
  }
}

/** What is known ahead of memory stays so until memory shows it. */
function carryOver(before: Row<Ship> | undefined, after: Row<Ship> | undefined): void {
  const newer = before?.newer
  if (!before || !newer) return
  before.newer = undefined
  if (after && after.revision < newer.revision) after.newer = newer
}

export function suits({ selector, fleets }: Want, ship: Ship): boolean {
  return (
    (selector.fleet === undefined || ship.fleet === selector.fleet) &&
    mismatch(selector, ship) === undefined &&
    covers(fleets, ship.fleet)
  )
}
