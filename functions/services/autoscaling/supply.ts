// Supply: what the next ships of a scaled fleet will be, how many it may have yet, and whether somebody who waits could have
// one of them.

import { mostAllocationsOfShip, type Want } from '../../../shared/model/allocation.ts'
import type { Autoscale } from '../../../shared/model/autoscale.ts'
import type { BlueprintSpec } from '../../../shared/model/blueprint.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import { selects } from '../../../shared/model/labelSelector.ts'
import type { Labels } from '../../../shared/model/name.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isLive, isSpared } from '../../../shared/model/shipState.ts'
import { covers } from '../../../shared/model/token.ts'
import type { Waiter } from '../../stores/waiters.ts'
import { type Need, needsOf, Rooms } from './rooms.ts'

type Kind = 'counters' | 'lists'
type Declared = { capacity: number; count?: number; values?: readonly string[] }

export class Supply {
  readonly name: string
  readonly #max: number
  readonly #labels: Labels
  readonly #spec: BlueprintSpec
  readonly #ships: () => readonly Ship[]
  readonly #capacities = new Map<string, number>()
  readonly #rooms = new Rooms()
  #ordered = 0
  #taken: number | undefined

  /** @param ships those that the fleet has: they are looked at only when what its blueprint says is not enough. */
  constructor(
    { name, labels, autoscale }: Fleet & { autoscale: Autoscale },
    spec: BlueprintSpec,
    ships: () => readonly Ship[],
  ) {
    this.name = name
    this.#max = autoscale.max
    this.#labels = { ...spec.labels, ...labels }
    this.#spec = spec
    this.#ships = ships
  }

  /** Ships that it is to have for those who wait. */
  get ordered(): number {
    return this.#ordered
  }

  /** Ships that it may have beyond those ordered and those that nobody else can have: in use, or ill. */
  get #left(): number {
    this.#taken ??= this.#ships().filter(isTaken).length
    return Math.max(0, this.#max - this.#taken - this.#ordered)
  }

  /** Orders as many of the ships as it may. @returns how many of them there are to be. */
  order(ships: number, wants: readonly Want[]): number {
    const needs = this.#sharedBy(wants)
    const found = needs ? this.#rooms.fill(ships, needs) : 0
    const more = Math.min(ships - found, this.#left)
    this.#add(more, needs)
    return found + more
  }

  /** Orders them all, whatever it may have. */
  orderBeyond(ships: number, wants: readonly Want[]): void {
    this.#add(ships, this.#sharedBy(wants))
  }

  #add(ships: number, needs: readonly Need[] | undefined): void {
    this.#ordered += ships
    if (needs) this.#rooms.add(ships, needs)
  }

  /** What a session takes of a ship on which others find room; undefined: it may need one to itself. */
  #sharedBy(wants: readonly Want[]): Need[] | undefined {
    const want = wants.find((want) => want.selector.state === 'Allocated' && this.#mayBe(want))
    // A Reserved ship is not to be shared, and which values its list will have nobody knows.
    if (!want || want.reserve) return undefined
    if (Object.values(want.selector.lists).some(({ contains }) => contains !== undefined)) return undefined
    const needs = needsOf(want, (kind, key, given) => this.#roomOf(kind, key, given))
    const isBounded = needs.every(({ room }) => room < Number.POSITIVE_INFINITY)
    if (!isBounded || needs.every(({ takes }) => takes === 0)) return undefined
    return [...needs, { what: 'allocations', takes: 1, atLeast: 1, room: mostAllocationsOfShip }]
  }

  /** Whether all that is waited for may be had one day, be it with ships of other fleets. */
  mayServe({ wants, count }: Pick<Waiter, 'wants' | 'count'>): boolean {
    return count <= this.#max || wants.some(({ selector }) => selector.fleet !== this.name)
  }

  /** Whether a new ship may be what is wanted. What it counts by then is its game's affair; how much it takes is known. */
  suits(want: Want): boolean {
    return want.selector.state === 'Ready' && this.#mayBe(want)
  }

  #mayBe({ selector, counters, lists, fleets }: Want): boolean {
    const { fleet, matchLabels, matchExpressions } = selector
    return (
      (fleet === undefined || fleet === this.name) &&
      covers(fleets, this.name) &&
      Object.entries(matchLabels).every(([key, value]) => this.#labels[key] === value) &&
      (matchExpressions.length === 0 || selects(matchExpressions, this.#labels)) &&
      Object.entries(selector.counters).every(([key, { minAvailable = 0, minCount = 0 }]) =>
        this.#takes('counters', key, Math.max(minAvailable, minCount)),
      ) &&
      Object.entries(selector.lists).every(([key, { minAvailable = 0 }]) =>
        this.#takes('lists', key, minAvailable),
      ) &&
      Object.entries(counters).every(([key, { add = 0, capacity }]) =>
        this.#takes('counters', key, add, capacity),
      ) &&
      Object.entries(lists).every(([key, { append, capacity }]) =>
        this.#takes('lists', key, append.length, capacity),
      )
    )
  }

  /** @param given the capacity that it is given first. */
  #takes(kind: Kind, key: string, amount: number, given?: number): boolean {
    const declared = this.#declared(kind, key)
    if (!declared) return false
    if (given !== undefined) return amount <= given
    return amount <= declared.capacity || amount <= this.#largest(kind, key)
  }

  /** The capacity of its largest ship; without end while none has said one, nor its blueprint. */
  #largest(kind: Kind, key: string): number {
    const name = `${kind} ${key}`
    const known = this.#capacities.get(name)
    if (known !== undefined) return known
    const capacities = this.#ships().map((ship) => ship[kind]?.[key]?.capacity ?? 0)
    const most = capacities.reduce((a, b) => Math.max(a, b), this.#declared(kind, key)?.capacity ?? 0)
    const largest = most > 0 ? most : Number.POSITIVE_INFINITY
    this.#capacities.set(name, largest)
    return largest
  }

  /** Free on a new ship; without end while nobody has said how much it has. */
  #roomOf(kind: Kind, key: string, given: number | undefined): number {
    const declared = this.#declared(kind, key)
    const capacity = given ?? (declared?.capacity || this.#largest(kind, key))
    return capacity - (declared?.count ?? declared?.values?.length ?? 0)
  }

  #declared(kind: Kind, key: string): Declared | undefined {
    const all = this.#spec[kind]
    // Keys are people's words: one may be that of something every object has.
    return all && Object.hasOwn(all, key) ? all[key] : undefined
  }
}

function isTaken(ship: Ship): boolean {
  const { state } = ship
  return isLive(state) && (isSpared(ship) || state === 'Unhealthy' || state === 'Lost')
}
