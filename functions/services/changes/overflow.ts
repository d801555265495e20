// The overflow of a fleet on its ships: which of them have it, how it is given, and how it is taken back. Pure.
import type { Allocation } from '../../../shared/model/allocation.ts'
import { differences } from '../../../shared/model/difference.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import { Labels } from '../../../shared/model/name.ts'
import type { Overflow, ShipOverflow } from '../../../shared/model/overflow.ts'
import { isExchanging } from '../../../shared/model/rollout.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { Annotations, dataBytes, mostDataBytes } from '../../../shared/model/shipData.ts'
import { isSpared } from '../../../shared/model/shipState.ts'
import { hiddenBy } from './given.ts'

type Texts = Record<string, string>
type Before = Record<string, string | null>

/** Those in use that their fleet has no place for: all that a rollout is to end, and of the others what is too many. */
export function beyond({ replicas, blueprint, rollout }: Fleet, ships: readonly Ship[]): Set<string> {
  const used = ships.filter(isSpared)
  const isOld = (ship: Ship) => isExchanging(rollout) && ship.blueprint.revision !== blueprint.revision
  const old = used.filter(isOld)
  // Whoever has it keeps it; then the oldest session, as it ends first.
  const others = used
    .filter((ship) => !isOld(ship))
    .sort((a, b) => Number(!a.overflow) - Number(!b.overflow) || (a.stateSince < b.stateSince ? -1 : 1))
  const tooMany = Math.max(0, used.length - replicas - old.length)
  return new Set([...old, ...others.slice(0, tooMany)].map(({ id }) => id))
}

/** What becomes of a ship of the fleet; undefined: nothing, as when there is no room on its record. */
export function afterOverflow(
  ship: Ship,
  { overflow, deleting }: Fleet,
  isBeyond: boolean,
): Ship | undefined {
  if (!overflow || deleting) return undefined
  const bare = withoutOverflow(ship)
  const next = isBeyond && isSpared(ship) && !isEmpty(overflow) ? withOverflow(bare, overflow) : bare
  return differences(ship, next).length > 0 ? next : undefined
}

/** The ship without it; what others wrote over it stays. */
export function withoutOverflow(ship: Ship): Ship {
  const { overflow, ...bare } = ship
  if (!overflow) return ship
  const { given, before } = overflow
  const allocations = ship.allocations?.map((one) => withoutMemory(one, overflow))
  return {
    ...bare,
    ...(allocations && { allocations }),
    labels: restored(ship.labels, given.labels, before.labels),
    annotations: restored(ship.annotations ?? {}, given.annotations, before.annotations),
  }
}

function withOverflow(ship: Ship, given: Overflow): Ship {
  const { labels, annotations = {} } = ship
  const next = {
    ...ship,
    labels: { ...labels, ...given.labels },
    annotations: { ...annotations, ...given.annotations },
    overflow: {
      given,
      before: {
        labels: hiddenBy(given.labels, labels),
        annotations: hiddenBy(given.annotations, annotations),
      },
    },
  }
  const isValid = Labels.safeParse(next.labels).success && Annotations.safeParse(next.annotations).success
  return isValid && dataBytes(next) <= mostDataBytes ? next : ship
}

/** An allocation that came to a ship with it does not bring it back when it ends. */
function withoutMemory(allocation: Allocation, { given, before }: ShipOverflow): Allocation {
  const { undo } = allocation
  if (!undo) return allocation
  const labels = undo.labels && forgotten(undo.labels, given.labels, before.labels)
  const annotations = undo.annotations && forgotten(undo.annotations, given.annotations, before.annotations)
  return { ...allocation, undo: { ...undo, ...(labels && { labels }), ...(annotations && { annotations }) } }
}

function forgotten(undo: Before, given: Texts, before: Before): Before {
  const known = (key: string, was: string | null) => (was === given[key] ? (before[key] ?? null) : was)
  return Object.fromEntries(Object.entries(undo).map(([key, was]) => [key, known(key, was)]))
}

function restored(texts: Texts, given: Texts, before: Before): Texts {
  const next = { ...texts }
  for (const [key, was] of Object.entries(before)) {
    if (next[key] !== given[key]) continue
    if (was === null) delete next[key]
    else next[key] = was
  }
  return next
}

function isEmpty({ labels, annotations }: Overflow): boolean {
  return Object.keys(labels).length + Object.keys(annotations).length === 0
}
