// What happens to a ship: every change of its record as a pure function, checked against the table of moves.
//
// Each takes the record as it is and returns the next one, or undefined when the change no longer applies.
import {
  type Blueprint,
  type BlueprintSpec,
  keepsVolumes,
  speaksSdk,
} from '../../../shared/model/blueprint.ts'
import { unpromised } from '../../../shared/model/doneBy.ts'
import { untold } from '../../../shared/model/endsAt.ts'
import type { Explanation } from '../../../shared/model/explanation.ts'
import type { Gang } from '../../../shared/model/gang.ts'
import { type ShipEntry, withEntry } from '../../../shared/model/history.ts'
import type { Labels } from '../../../shared/model/name.ts'
import { assignPorts, type Port, type PortChoice } from '../../../shared/model/port.ts'
import type { Ship, ShipExit } from '../../../shared/model/ship.ts'
import {
  isAboard,
  isFinished,
  isInUse,
  type Mover,
  mayMove,
  type ShipState,
} from '../../../shared/model/shipState.ts'
import { ownPrefix } from '../../../shared/model/word.ts'
import { traced } from '../../../shared/trace.ts'
import { crashesOf } from './backoff.ts'
import { withdrawnAll } from './given.ts'
import { withoutOverflow } from './overflow.ts'

export function move(
  ship: Ship,
  to: ShipState,
  by: Mover,
  reason: string | null,
  change: Partial<Ship> = {},
): Ship | undefined {
  if (!mayMove(ship.state, to, by)) return undefined
  const at = new Date().toISOString()
  const over = to === 'Unhealthy' || to === 'Lost' ? {} : endOfUse(ship)
  const moved = { state: to, stateSince: at, reason, ...over, ...change }
  return remembering({ ...afterUse(ship, to), ...moved }, { at })
}

/** The record with what has just become of it in its history. */
export function remembering(ship: Ship, more: Partial<ShipEntry> = {}): Ship {
  const { state, attempt, host, reason } = ship
  const entry = {
    at: more.at ?? new Date().toISOString(),
    ...{ state, attempt },
    ...(host !== null && { host }),
    ...(reason !== null && { reason }),
    ...more,
  }
  // A ship that finds no host is refused again and again: the last refusal of an attempt tells it all.
  const repeats = (last: ShipEntry) => Boolean(entry.refused && last.refused) && last.attempt === attempt
  return { ...ship, history: withEntry<ShipEntry>(ship.history, entry, repeats) }
}

/** To be kept while it is Unhealthy or Lost. */
function useOf({ state }: Ship): Partial<Ship> {
  return state === 'Reserved' || state === 'Allocated' ? { wasInUse: state } : {}
}

/** Allocations end with the use of their ship, and so does what was promised of it, or its fleet told or gave it. */
function afterUse(ship: Ship, to: ShipState): Ship {
  if (isInUse(to) || to === 'Unhealthy' || to === 'Lost') return ship
  const left = isInUse(ship.state) || ship.wasInUse ? withoutOverflow(untold(unpromised(ship))) : ship
  if (!left.allocations?.length) return left
  return to === 'Ready' || to === 'Queued'
    ? withdrawnAll(left)
    : { ...left, allocations: [], countedDown: undefined }
}

function endOfUse({ reservedUntil, wasInUse }: Ship): Partial<Ship> {
  return { ...(reservedUntil && { reservedUntil: null }), ...(wasInUse && { wasInUse: null }) }
}

/** What a ship keeps, as its blueprint has it: whatever was said in an earlier attempt is gone. */
function dataOf(spec: BlueprintSpec): Partial<Ship> {
  const { counters, lists } = spec
  if (!speaksSdk(spec)) return { ...(counters && { counters }), ...(lists && { lists }) }
  return { speaks: true, annotations: {}, counters: counters ?? {}, lists: lists ?? {} }
}

function withoutOwn(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !key.startsWith(ownPrefix)))
}

export interface NewShip {
  id: string
  fleet: string | null
  blueprint: Blueprint
  labels: Record<string, string>
  priority: number
  requestDigest: string
  /** The gang that it is placed with. */
  gang?: Gang | undefined
  /** The token under whose quota it counts. */
  createdBy?: string | undefined
  /** Of the request that wants it. */
  traceId?: string | undefined
}

export function newShip(wanted: NewShip): Ship {
  const { id, fleet, blueprint, labels, priority, requestDigest, gang, createdBy } = wanted
  const now = new Date().toISOString()
  return remembering({
    id,
    fleet,
    blueprint: { name: blueprint.name, revision: blueprint.revision },
    labels: { ...blueprint.spec.labels, ...labels },
    priority,
    state: 'Queued',
    stateSince: now,
    attempt: 1,
    failedStarts: 0,
    reason: null,
    host: null,
    address: null,
    ports: [],
    resources: blueprint.spec.resources,
    ...dataOf(blueprint.spec),
    avoidHosts: [],
    exit: null,
    ...(gang && { gang }),
    createdAt: now,
    ...(createdBy !== undefined && { createdBy }),
    ...traced(wanted),
    readyAt: null,
    requestDigest,
    // There from the beginning: V8 takes 7 µs for what is added to a record, and each ship has some.
    allocations: [],
  })
}

/** The scheduler put it on the queue of a host. */
export function place(
  ship: Ship,
  attempt: number,
  host: string,
  ports: Port[],
  why?: Explanation,
): Ship | undefined {
  if (ship.attempt !== attempt) return undefined
  const placement = why && { ...why, at: new Date().toISOString() }
  const scheduled = move(ship, 'Scheduled', 'scheduler', null, { host, ports, placement })
  // Its host may have claimed it before this was heard.
  const claimed = ship.host === host && isAboard(ship.state) && !ship.placement?.score
  return scheduled ?? (claimed && placement ? { ...ship, placement } : undefined)
}

/** The scheduler found no host for it. */
export function refuse(ship: Ship, attempt: number, reason: string, why?: Explanation): Ship | undefined {
  if (ship.attempt !== attempt || ship.state !== 'Queued') return undefined
  const failure = /(Start \d+ of \d+ failed|Crash \d+ of \d+)[\s\S]*/.exec(ship.reason ?? '')?.[0]
  const told = failure ? `${reason}. ${failure}` : reason
  if (told === ship.reason) return undefined
  const placement = why && { ...why, at: new Date().toISOString() }
  return remembering({ ...ship, reason: told, placement }, { refused: true })
}

export type Claimed = { yes: Ship } | { no: string }

/** A host asks whether this attempt is its own. The same host asking again gets the same answer. */
export function claim(
  ship: Ship,
  attempt: number,
  host: string,
  address: string,
  spec: BlueprintSpec,
  choice: PortChoice,
): Claimed {
  if (ship.attempt !== attempt)
    return { no: `attempt ${attempt} is over; the ship is at attempt ${ship.attempt}` }
  if (ship.host !== null && ship.host !== host) return { no: `host ${ship.host} has it` }
  if (ship.host === host && isAboard(ship.state) && ship.state !== 'Scheduled' && ship.state !== 'Stopping')
    return { yes: ship }
  const pinned = spec.placement.host
  if (pinned !== undefined && pinned !== host) return { no: `the ship is pinned to host ${pinned}` }
  const ports = assignPorts(spec.ports, choice)
  const labels = withoutOwn(ship.labels)
  const home = keepsVolumes(spec) ? { home: host } : ship.home ? { home: null } : {}
  const next = move(ship, 'Starting', 'agent', null, {
    host,
    address,
    ports,
    labels,
    ...dataOf(spec),
    ...home,
  })
  return next ? { yes: next } : { no: `the ship is ${ship.state}` }
}

/** Back into the queue, with the next attempt: everything that belongs to the old one is powerless from now on. */
export function requeue(ship: Ship, by: Mover, reason: string, change: Partial<Ship> = {}): Ship | undefined {
  return move(ship, 'Queued', by, reason, {
    attempt: ship.attempt + 1,
    host: null,
    address: null,
    ports: [],
    placement: undefined,
    readyAt: null,
    resize: undefined,
    moving: false,
    failing: undefined,
    ...(ship.crashes && { crashes: crashesOf(ship) }),
    // While it is Queued no host has it: its gang goes on waiting for it.
    ...(ship.gang && ship.state !== 'Queued' && { gang: { ...ship.gang, alone: true } }),
    ...change,
  })
}

/** The hosts to avoid, with the one it was on last. */
export function avoiding({ avoidHosts, host }: Ship): string[] {
  if (host === null) return avoidHosts
  return [...avoidHosts.filter((other) => other !== host), host].slice(-32)
}

/**
 * It has to leave its host, and nobody replaces it: it stops there first and is queued when it has ended, so
 * that it never runs twice. What no host has claimed is queued at once.
 */
export function relocate(ship: Ship, by: 'api' | 'controllers', reason: string): Ship | undefined {
  if (ship.state === 'Scheduled') return requeue(ship, 'controllers', reason)
  return move(ship, 'Stopping', by, reason, { moving: true })
}

/** A host gives a ship back. One whose starts keep failing is Failed when its attempts are used up. */
export function giveBack(
  ship: Ship,
  reason: string,
  fault: boolean,
  exit: ShipExit | null,
  startAttempts: number,
): Ship | undefined {
  if (ship.state === 'Stopping') return end(ship, 'Stopped', 'agent', reason, exit)
  if (!fault) return requeue(ship, 'agent', reason)
  const failedStarts = ship.failedStarts + 1
  if (failedStarts >= startAttempts) {
    const detail = `Gave up after ${failedStarts} failed starts. The last one, on ${ship.host}: ${reason}`
    return move(ship, 'Failed', 'agent', detail, { failedStarts, exit })
  }
  return requeue(
    ship,
    'agent',
    `Start ${failedStarts} of ${startAttempts} failed on ${ship.host}: ${reason}`,
    {
      failedStarts,
      avoidHosts: avoiding(ship),
      exit,
    },
  )
}

/** Its host says how far it is. Not in its history: it is over soon. */
export function starting(ship: Ship, reason: string | null): Ship | undefined {
  return ship.state === 'Starting' && ship.reason !== reason ? { ...ship, reason } : undefined
}

const notYet = '; not ended yet: '

/** Its host says what keeps it from ending, and that stands beside why it is to end. */
export function stopping(ship: Ship, trouble: string): Ship | undefined {
  if (ship.state !== 'Stopping') return undefined
  const reason = `${whyStopping(ship) ?? ''}${notYet}${trouble}`.slice(0, 2_000)
  return reason === ship.reason ? undefined : { ...ship, reason }
}

/** Why it is to end, without what keeps it from ending. */
export function whyStopping({ reason }: Ship): string | null {
  return reason?.split(notYet)[0] ?? null
}

export function ready(ship: Ship): Ship | undefined {
  if (ship.state !== 'Starting' && ship.state !== 'Unhealthy' && ship.state !== 'Lost') return undefined
  // A match that goes on must not be given to somebody else.
  const to = (ship.state !== 'Starting' && ship.wasInUse) || 'Ready'
  return move(ship, to, 'agent', null, {
    ...(to === 'Reserved' && { reservedUntil: ship.reservedUntil ?? null }),
    readyAt: ship.readyAt ?? new Date().toISOString(),
    failedStarts: 0,
    avoidHosts: [],
  })
}

export function unhealthy(ship: Ship, reason: string): Ship | undefined {
  return move(ship, 'Unhealthy', 'agent', reason, useOf(ship))
}

export function end(
  ship: Ship,
  to: 'Stopped' | 'Failed',
  by: Mover,
  reason: string,
  exit: ShipExit | null = null,
): Ship | undefined {
  if (ship.state === 'Stopping' && ship.moving)
    return requeue(ship, by, whyStopping(ship) ?? reason, { exit })
  // What we stopped ourselves is Stopped, whatever code the game ended with.
  const state = ship.state === 'Stopping' && by === 'agent' && !ship.failing ? 'Stopped' : to
  return move(ship, state, by, reason, { exit })
}

/** A person, or the fleet, wants it gone. */
export function stop(ship: Ship, by: 'api' | 'controllers', reason: string): Ship | undefined {
  if (ship.state === 'Stopping' && (ship.moving || ship.failing))
    return remembering({ ...ship, moving: false, failing: undefined, reason })
  if (isFinished(ship.state) || ship.state === 'Stopping') return undefined
  if (ship.state === 'Queued' || ship.state === 'Lost') return move(ship, 'Stopped', by, reason)
  return move(ship, 'Stopping', by, reason)
}

/** It does not get well. What becomes of it is decided when it has ended on its host, so that it never runs twice. */
export function giveUp(ship: Ship, reason: string): Ship | undefined {
  const told = ship.reason === null ? reason : `${reason}: ${ship.reason}`
  return move(ship, 'Stopping', 'controllers', told.slice(0, 1_000), { failing: true })
}

/** Its host is gone; the record still names it, so that a host that returns can say what became of the ship. */
export function lose(ship: Ship, reason: string): Ship | undefined {
  if (ship.state === 'Stopping') return end(ship, 'Stopped', 'controllers', reason)
  return move(ship, 'Lost', 'controllers', reason, useOf(ship))
}
