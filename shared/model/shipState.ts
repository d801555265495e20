// The states of a ship, and who may move it from one to the next.
//
// INVARIANTS
// - Within an attempt a ship only moves forward along this table (Ready ⇄ Reserved ⇄ Allocated, and each of them
//   ⇄ Unhealthy or Lost, are the only ways back).
// - Going back to Queued always raises the attempt, which makes everything older powerless.
// - Stopped and Failed are ends.
import { z } from 'zod'

export const ShipState = z.enum([
  'Queued',
  'Scheduled',
  'Starting',
  'Ready',
  'Reserved',
  'Allocated',
  'Unhealthy',
  'Stopping',
  'Stopped',
  'Failed',
  'Lost',
])
export type ShipState = z.infer<typeof ShipState>

/** Who decides a move: the ApiServer for a user, the Scheduler, the Controllers, or the host's agent. */
export type Mover = 'api' | 'scheduler' | 'controllers' | 'agent'

type Row = Partial<Record<ShipState, readonly Mover[]>>

/** from -> to -> who may. What is not here does not happen. */
export const moves: Readonly<Record<ShipState, Row>> = {
  Queued: {
    Scheduled: ['scheduler'],
    Starting: ['agent'], // the claim may overtake the scheduler's report
    Queued: ['controllers', 'agent'], // its ticket was lost, or a host gave it back before it heard of it
    Stopped: ['api', 'controllers'],
    Failed: ['agent'],
  },
  Scheduled: {
    Starting: ['agent'],
    Queued: ['agent', 'controllers'],
    Failed: ['agent'],
    Stopping: ['api', 'controllers'],
    Lost: ['controllers'],
  },
  Starting: {
    Ready: ['agent'],
    Reserved: ['agent'], // by its own word, before anybody else can have it
    Allocated: ['agent'],
    Queued: ['agent'],
    Stopped: ['agent'],
    Failed: ['agent'],
    Stopping: ['api', 'agent', 'controllers'],
    Lost: ['controllers'],
  },
  Ready: {
    Reserved: ['api', 'agent'],
    Allocated: ['api', 'agent'],
    Unhealthy: ['agent'],
    Queued: ['agent'],
    Stopping: ['api', 'agent', 'controllers'],
    Stopped: ['agent'],
    Failed: ['agent'],
    Lost: ['controllers'],
  },
  Reserved: {
    Ready: ['api', 'agent'],
    Allocated: ['api', 'agent'],
    Unhealthy: ['agent'],
    Queued: ['agent'],
    Stopping: ['api', 'agent'],
    Stopped: ['agent'],
    Failed: ['agent'],
    Lost: ['controllers'],
  },
  Allocated: {
    Ready: ['api', 'agent'],
    Reserved: ['agent'],
    Unhealthy: ['agent'],
    Queued: ['agent'],
    Stopping: ['api', 'agent'],
    Stopped: ['agent'],
    Failed: ['agent'],
    Lost: ['controllers'],
  },
  Unhealthy: {
    Ready: ['agent'],
    Reserved: ['agent'], // as it was before
    Allocated: ['agent'],
    Queued: ['agent'],
    Stopping: ['api', 'agent', 'controllers'],
    Stopped: ['agent'],
    Failed: ['agent'],
    Lost: ['controllers'],
  },
  Stopping: {
    Queued: ['agent', 'controllers'], // it only left a host that is being drained
    Stopped: ['agent', 'controllers'], // controllers: its host is gone
    Failed: ['agent'],
  },
  Lost: {
    Queued: ['controllers', 'agent'], // agent: the host came back, and the ship had ended
    Failed: ['controllers', 'agent'],
    Ready: ['agent'], // the host came back and the ship had run on
    Reserved: ['agent'],
    Allocated: ['agent'],
    Unhealthy: ['agent'],
    Stopped: ['api', 'agent', 'controllers'],
  },
  Stopped: {},
  Failed: {},
}

export function mayMove(from: ShipState, to: ShipState, by: Mover): boolean {
  return moves[from][to]?.includes(by) ?? false
}

/** Ended for ever: the record is kept for a while and then forgotten. */
export function isFinished(state: ShipState): boolean {
  return state === 'Stopped' || state === 'Failed'
}

/** Has, or may have, a container on its host. */
export function isAboard(state: ShipState): boolean {
  return !isFinished(state) && state !== 'Queued' && state !== 'Lost'
}

/** Serves somebody, or is kept for somebody: only a person's own word ends it. */
export function isInUse(state: ShipState): boolean {
  return state === 'Allocated' || state === 'Reserved'
}

/** In use as far as its end is concerned: whatever was in use when it fell ill is in use again when it is well. */
export function isSpared({
  state,
  wasInUse,
}: {
  state: ShipState
  wasInUse?: ShipState | null | undefined
}): boolean {
  return isInUse(state) || Boolean(wasInUse)
}

/** Counts towards the replicas of its fleet. */
export function isLive(state: ShipState): boolean {
  return !isFinished(state) && state !== 'Stopping'
}

export type Counts = { readonly [State in ShipState]?: number | undefined }

/** Ships in those of the states that are chosen. */
export function countOf(counts: Counts, isChosen: (state: ShipState) => boolean): number {
  return ShipState.options.reduce((sum, state) => sum + (isChosen(state) ? (counts[state] ?? 0) : 0), 0)
}

/** Of a fleet's ships by state, those that count towards its replicas. */
export function liveOf(counts: Counts): number {
  return countOf(counts, isLive)
}
