// Other limits for the running ships of a fleet: which of them have room for it, and who is told.
//
// INVARIANTS
// - No ship grows past what its host has left by the records, nor past a quota. What is being placed, or grows by
//   another fleet, at this moment no record shows yet: therefore the host's agent looks again, and has the last word.
// - The scheduler is told what a ship grows by as soon as its record says so, beside the host that gives it.
import type { Fleet } from '../../../shared/model/fleet.ts'
import { allocatableOf } from '../../../shared/model/host.ts'
import { randomId } from '../../../shared/model/name.ts'
import { heldBy, shortOf } from '../../../shared/model/resize.ts'
import { larger, type Resources, sameResources, subtract, sumOf } from '../../../shared/model/resources.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isAboard, isFinished, isSpared } from '../../../shared/model/shipState.ts'
import type { Row } from '../../stores/mirror/table.ts'
import { type Fence, shipsPerCommit } from '../../stores/ships.ts'
import type { Stores } from '../../stores/stores.ts'
import { givenInPlace } from '../changes/inPlace.ts'
import { oldAgent, runs } from '../changes/resizing.ts'
import { showHeld } from '../placements/heldShips.ts'
import { Allowances } from '../quotas/allowance.ts'
import { blueprintFor } from '../ships.ts'

const catchUpMs = 2_000
/** A record that changes more often while it is shown is told by its host. */
const mostLooks = 5

/** Ship and attempt -> why it cannot have the limits; null when it can. */
type Verdicts = Map<string, string | null>

export class Resizes {
  #stores: Stores
  #allowances: Allowances

  constructor(stores: Stores) {
    this.#stores = stores
    this.#allowances = new Allowances(stores)
  }

  /** Gives the fleet's ships what they are to have in place, limits among it. */
  async give(fleet: Fleet, to: number, fence: Fence): Promise<void> {
    const { ships, mirror } = this.#stores
    await mirror.catchUp(catchUpMs)
    const { spec } = await blueprintFor(this.#stores, fleet.blueprint.name, to)
    const all = ships.index.ofFleet(fleet.name).map(({ value }) => value)
    const old = all.filter((ship) => runs(ship) && ship.blueprint.revision === fleet.relabel?.revisions?.from)
    // Those in use first: the others can be replaced at once.
    const candidates = [...old.filter(isSpared), ...old.filter((ship) => !isSpared(ship))]
    const verdicts = this.#verdictsOn(candidates, spec.resources)
    const others = all.filter((ship) => !verdicts.has(keyOf(ship))).map(({ id }) => id)
    await ships.update(others, (ship) => givenInPlace(ship, fleet), fence)
    for (let i = 0; i < candidates.length; i += shipsPerCommit) {
      const some = candidates.slice(i, i + shipsPerCommit)
      const leave = await this.#leaveFor(fleet, some, spec.resources, verdicts)
      const decide = (ship: Ship) =>
        givenInPlace(ship, fleet, { to, spec, verdict: verdicts.get(keyOf(ship)) })
      const ids = some.map(({ id }) => id)
      const changed = await ships.update(ids, decide, {
        conditions: [...fence.conditions, ...leave.conditions],
        writes: leave.writes,
        check: () => fence.check(),
      })
      await this.#tellScheduler([...changed.values()])
    }
  }

  /** Room is given in the order of the ships. */
  #verdictsOn(candidates: readonly Ship[], to: Resources): Verdicts {
    const { hosts, ships } = this.#stores
    const free = new Map<string, Resources>()
    const verdicts: Verdicts = new Map()
    for (const ship of candidates) {
      const host = hosts.table.get(ship.host ?? '')?.value
      if (!host?.resizes) {
        verdicts.set(keyOf(ship), oldAgent)
        continue
      }
      const left = free.get(host.id) ?? subtract(allocatableOf(host), takenOf(ships.index.ofHost(host.id)))
      const short = shortOf(ship.resources, to, left)
      verdicts.set(keyOf(ship), short === undefined ? null : `${host.id} has ${short}`)
      const more = subtract(larger(ship.resources, to), ship.resources)
      free.set(host.id, short === undefined ? subtract(left, more) : left)
    }
    return verdicts
  }

  /** That of the quotas over the fleet; ships for which they leave nothing get their verdict. */
  async #leaveFor(fleet: Fleet, some: readonly Ship[], to: Resources, verdicts: Verdicts) {
    const growing = some.filter((ship) => verdicts.get(keyOf(ship)) === null)
    const [first] = growing
    if (!first) return { conditions: [], writes: [] }
    const { fits, refusal, ...leave } = await this.#allowances.ask({
      ...this.#allowances.accountOf(fleet),
      // All are of one revision.
      each: subtract(larger(first.resources, to), first.resources),
      ships: 0,
      count: () => growing.length,
      holder: randomId(),
      behindFleets: false,
    })
    for (const ship of growing.slice(fits)) verdicts.set(keyOf(ship), refusal)
    return leave
  }

  async #tellScheduler(changed: readonly Row<Ship>[]): Promise<void> {
    const { hostNodes, mirror, ships } = this.#stores
    let due = changed.map(({ value }) => value).filter(grows)
    for (let looks = 0; due.length > 0 && looks < mostLooks; looks++) {
      // With a store away the host's own report says so later.
      await showHeld(hostNodes, due).catch(() => undefined)
      await mirror.catchUp(catchUpMs).catch(() => undefined)
      // What was answered, or ended, meanwhile may have been told before it was shown here.
      const seen = due.map((ship) => ({ ship, now: ships.table.get(ship.id)?.value }))
      for (const { ship, now } of seen) if (isOver(ship, now)) await this.#tellEnded(ship)
      due = seen.flatMap(({ ship, now }) => (now && !isOver(ship, now) && !holdsSame(ship, now) ? [now] : []))
    }
  }

  async #tellEnded({ id, attempt, host }: Ship): Promise<void> {
    if (host === null) return
    const said = { degraded: undefined, holdings: null, ended: [{ ship: id, attempt }], anew: true }
    await this.#stores.hostNodes.report(host, { ...said, asPlaced: () => true }).catch(() => undefined)
  }
}

/** What is freed the host's own report tells. */
function grows(ship: Ship): boolean {
  const { host, resize } = ship
  return host !== null && resize?.state === 'pending' && !sameResources(heldBy(ship), resize.from.resources)
}

function isOver({ attempt }: Ship, now: Ship | undefined): boolean {
  return now?.attempt !== attempt || isFinished(now.state)
}

function holdsSame(a: Ship, b: Ship): boolean {
  return sameResources(heldBy(a), heldBy(b))
}

function takenOf(aboard: readonly Row<Ship>[]): Resources {
  const holds = ({ value: { state } }: Row<Ship>) => isAboard(state) || state === 'Lost'
  return sumOf(aboard.filter(holds).map(({ value }) => heldBy(value)))
}

function keyOf({ id, attempt }: Pick<Ship, 'id' | 'attempt'>): string {
  return `${id}/${attempt}`
}
