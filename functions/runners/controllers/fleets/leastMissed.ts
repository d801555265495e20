// Which ships of a fleet are missed least: the order in which a scale-down and a rollout end them.
import { ordinalOf, type ShipView } from '../../../../shared/model/ship.ts'
import type { ShipState } from '../../../../shared/model/shipState.ts'

export type Candidate = Pick<
  ShipView,
  | 'id'
  | 'name'
  | 'state'
  | 'stateSince'
  | 'createdAt'
  | 'blueprint'
  | 'host'
  | 'wasInUse'
  | 'counters'
  | 'lists'
> & { sample: Pick<NonNullable<ShipView['sample']>, 'players' | 'emptyForMs'> | null }

export interface Choice {
  count: number
  /** The least useful first. */
  states: readonly ShipState[]
  /** Ships on each host, of whatever fleet. */
  crews: ReadonlyMap<string, number>
  nowMs: number
}

/**
 * Of numbered ships the highest numbers. Those that serve nobody yet; then, of the Ready ones, those with the fewest
 * players, with the least in their counters and lists, empty the longest, on the hosts that are nearest to being empty,
 * of the oldest revision.
 */
export function leastMissed(ships: readonly Candidate[], { count, states, crews, nowMs }: Choice): string[] {
  const keysOf = (ship: Candidate): readonly number[] => [
    -ordinalOf(ship),
    states.indexOf(ship.state),
    ship.sample?.players ?? 0,
    fullness(ship),
    -emptyFor(ship, nowMs),
    crews.get(ship.host ?? '') ?? 0,
    ship.blueprint.revision,
    Date.parse(ship.createdAt),
  ]
  return ships
    .filter((ship) => mayEnd(ship, states))
    .map((ship) => ({ id: ship.id, keys: keysOf(ship) }))
    .sort((a, b) => firstDifference(a.keys, b.keys) || (a.id < b.id ? -1 : 1))
    .slice(0, count)
    .map(({ id }) => id)
}

/** One that was in use before it fell ill only where those in use may end. */
export function mayEnd({ state, wasInUse }: Pick<Candidate, 'state' | 'wasInUse'>, states: Choice['states']) {
  return states.includes(state) && (!wasInUse || states.includes(wasInUse))
}

/** Of its counters and lists the one that is fullest, as a share: amounts of different things are not added up. */
function fullness({ counters = {}, lists = {} }: Candidate): number {
  const shares = [
    ...Object.values(counters).map(({ count, capacity }) => count / Math.max(1, capacity)),
    ...Object.values(lists).map(({ values, capacity }) => values.length / Math.max(1, capacity)),
  ]
  return Math.max(0, ...shares)
}

/** In doublings of a minute: of ships that are empty for about as long, the emptiest host decides. */
function emptyFor({ stateSince, sample }: Candidate, nowMs: number): number {
  // Where nobody counts players: since it was in use.
  const minutes = (sample?.emptyForMs ?? Math.max(0, nowMs - Date.parse(stateSince))) / 60_000
  return Math.floor(Math.log2(1 + minutes))
}

function firstDifference(a: readonly number[], b: readonly number[]): number {
  for (const [i, key] of a.entries()) {
    const difference = key - (b[i] as number)
    if (difference !== 0) return difference
  }
  return 0
}
