// A fleet's rollout as the API shows it: its ships counted by what matters to it, and how those of the new revision do.
import type { Fleet } from '../../../shared/model/fleet.ts'
import {
  type Crew,
  defaultStrategy,
  isOver,
  noCrew,
  type RolloutView,
  sizeOf,
} from '../../../shared/model/rollout.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isFinished, isLive, isSpared, type ShipState } from '../../../shared/model/shipState.ts'
import type { ShipIndex } from '../../stores/mirror/shipIndex.ts'
import { afterDeadline } from '../changes/deadline.ts'

type Counts = Partial<Record<ShipState, number>>

const places: Readonly<Partial<Record<ShipState, keyof Crew>>> = {
  Queued: 'coming',
  Scheduled: 'coming',
  Starting: 'coming',
  Ready: 'ready',
  Reserved: 'inUse',
  Allocated: 'inUse',
  Unhealthy: 'unwell',
  Lost: 'lost',
  Stopping: 'leaving',
}

export interface HowShipsDo {
  rollout: RolloutView | null
  failures: number
}

/** The rollout of a fleet, and how many ships of its revision failed. */
export function howShipsDo(fleet: Fleet, counts: Counts, index: ShipIndex): HowShipsDo {
  const { rollout, blueprint } = fleet
  const isUnderWay = rollout !== undefined && !isOver(rollout.state)
  // A fleet at rest, most are, need not be gone through.
  const isListed = isUnderWay || counts.Failed || rollout?.resizes
  const ships = isListed ? index.ofFleet(fleet.name).map(({ value }) => value) : []
  const ofRevision = ships.filter((ship) => ship.blueprint.revision === blueprint.revision)
  const failures = ofRevision.filter(({ state }) => state === 'Failed').length
  if (!rollout) return { rollout: null, failures }
  const since = ofRevision.filter(({ createdAt }) => createdAt >= rollout.startedAt)
  const failed = since.filter((ship) => failuresOf(ship) > 0).map(lastFailureOf)
  const last = failed.sort((a, b) => (a.at < b.at ? -1 : 1)).at(-1)
  const { minReadyMs } = fleet.strategy ?? defaultStrategy
  const updated = isUnderWay ? crewOf(ofRevision, Date.now() - minReadyMs) : crewFrom(counts)
  const outdated = isUnderWay
    ? crewOf(ships.filter((ship) => ship.blueprint.revision !== blueprint.revision))
    : noCrew
  return {
    failures,
    rollout: {
      ...rollout,
      total: sizeOf(updated) + sizeOf(outdated),
      ...{ updated, outdated },
      ...(rollout.resizes && { resized: resizedIn(ships, rollout.to) }),
      due: isUnderWay ? ships.filter((ship) => afterDeadline(ship, fleet, Date.now())).length : 0,
      failures: since.reduce((sum, ship) => sum + failuresOf(ship), 0),
      lastFailure: last ? `${last.ship}: ${last.reason ?? 'no reason is known'}` : null,
      lastFailureAt: last?.at ?? null,
    },
  }
}

function resizedIn(ships: readonly Ship[], to: number): NonNullable<RolloutView['resized']> {
  const resized = { done: 0, pending: 0, refused: 0 }
  for (const { resize, state } of ships) {
    // What ends before its host answered has nobody waiting for it.
    if (resize?.to === to && (resize.state === 'refused' || isLive(state))) resized[resize.state]++
  }
  return resized
}

/** Those that were tried again count as well. One failed start may be the host's fault. */
function failuresOf({ state, failedStarts, crashes = 0 }: Ship): number {
  return Math.max(state === 'Failed' ? 1 : 0, crashes + Math.max(0, failedStarts - 1))
}

/** One that is tried again has forgotten when and why, or tells how far it is; its history knows. */
function lastFailureOf({ id: ship, state, stateSince, reason, history = [] }: Ship) {
  if (state === 'Failed') return { ship, at: stateSince, reason }
  const entry = history.findLast(
    ({ state, reason }) => state === 'Queued' && /^(Start|Crash) \d+ of /.test(reason ?? ''),
  )
  return { ship, at: entry?.at ?? stateSince, reason: entry?.reason }
}

/** @param readyBeforeMs whatever got Ready later counts as on its way. */
function crewOf(ships: readonly Ship[], readyBeforeMs = Number.POSITIVE_INFINITY): Crew {
  const crew = { ...noCrew }
  for (const ship of ships) {
    const isFresh = ship.state === 'Ready' && Date.parse(ship.readyAt ?? '') > readyBeforeMs
    const place = !isFinished(ship.state) && isSpared(ship) ? 'inUse' : places[ship.state]
    if (place) crew[isFresh ? 'coming' : place]++
  }
  return crew
}

function crewFrom(counts: Counts): Crew {
  const crew = { ...noCrew }
  for (const [state, count] of Object.entries(counts)) {
    const place = places[state as ShipState]
    if (place) crew[place] += count
  }
  return crew
}
