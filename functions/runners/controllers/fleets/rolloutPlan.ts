// The next step of a fleet's rollout, from its ships of the new revision and of older ones.
//
// INVARIANTS
// - Ready ships are ended only while more of them are left than the replicas that are not in use, less what may be
//   unavailable. Ships on their way count for nothing, so that a revision that never gets Ready ends only that many.
// - Ships in use are counted and never named.
// - There are never more ships than the replicas and the surge, but for those that were there before.
import {
  type Crew,
  type RolloutState,
  type RolloutView,
  type Share,
  type Strategy,
  sizeOf,
} from '../../../../shared/model/rollout.ts'
import type { ShipState } from '../../../../shared/model/shipState.ts'
import { type FleetNeed, type FleetPicture, needOf } from './fleetPlan.ts'

export interface RolloutPicture {
  replicas: number
  /** Of ordinal ships each new one waits for the name of an old one: there are none over the replicas. */
  naming?: 'random' | 'ordinal' | undefined
  strategy: Strategy
  rollout: Pick<
    RolloutView,
    | 'state'
    | 'from'
    | 'to'
    | 'since'
    | 'paused'
    | 'updated'
    | 'outdated'
    | 'failures'
    | 'lastFailure'
    | 'lastFailureAt'
    | 'resized'
  >
}

/** With `stop`, so many ships are to be found among these states, of older revisions or of the new one. */
export type RolloutNeed =
  | { do: 'nothing' }
  | { do: 'create'; count: number; of: number }
  | { do: 'stop'; count: number; states: readonly ShipState[]; outdated: boolean }
  | { do: 'turn'; to: Exclude<RolloutState, 'canary'>; reason: string }

/** Serve nobody, and may be ended at any time. */
const unready: readonly ShipState[] = ['Queued', 'Scheduled', 'Starting', 'Unhealthy']
const nothing = { do: 'nothing' } as const

export function rolloutNeed(picture: RolloutPicture, nowMs: number): RolloutNeed {
  const turn = turnOf(picture, nowMs)
  if (turn) return turn
  const { replicas, naming, strategy, rollout } = picture
  const { updated, outdated } = rollout
  const recreates = strategy.type === 'recreate'
  const stay = replicas - canariesOf(picture)
  const live = sizeOf(updated) + sizeOf(outdated)
  const idle = Math.max(0, replicas - updated.inUse - outdated.inUse)
  const { surge, unavailable } = limitsOf(strategy, replicas, idle, naming !== 'ordinal')
  const floor = Math.max(0, idle - unavailable)
  const mayGo = Math.max(0, updated.ready + outdated.ready - floor)

  const old = excessOf(outdated, stay, mayGo)
  if (old) return { ...old, outdated: true }
  const surplus = live - replicas
  const tooMany =
    surplus > 0 && idleOf(outdated) === 0 ? excessOf(updated, sizeOf(updated) - surplus, mayGo) : undefined
  if (tooMany) return { ...tooMany, outdated: false }

  if (recreates && idleOf(outdated) + outdated.leaving > 0) return nothing
  const room = replicas + surge - live
  // Those that cannot be ended yet count towards the replicas, whatever is wanted of the new revision.
  const wanted = replicas - Math.max(stay, outdated.inUse + outdated.lost)
  const missing = Math.min(room, wanted - sizeOf(updated))
  if (missing > 0) return { do: 'create', count: missing, of: rollout.to }
  const behind = Math.min(room, stay - sizeOf(outdated))
  return behind > 0 ? { do: 'create', count: behind, of: rollout.from } : nothing
}

/**
 * Of a rollout that is paused: what is missing is made of the revision that is known to do well, and only a scale-down
 * ends ships, those not counted that were beyond the replicas when it was paused.
 */
export function pausedNeed(fleet: FleetPicture & RolloutPicture): FleetNeed | RolloutNeed {
  const need = needOf(fleet)
  const { state, from, to, paused } = fleet.rollout
  if (need.do === 'create') return { ...need, of: state === 'rolling-back' ? to : from }
  if (need.do !== 'stop') return need
  const { replicas = 0, ships = 0 } = paused?.surplus ?? {}
  const beyond = needOf({ ...fleet, replicas: fleet.replicas + (replicas === fleet.replicas ? ships : 0) })
  return beyond.do === 'stop' ? beyond : nothing
}

function turnOf({ replicas, strategy, rollout }: RolloutPicture, nowMs: number): RolloutNeed | undefined {
  const { state, from, to, since, updated, outdated, failures, lastFailure, lastFailureAt } = rollout
  const serving = updated.ready + updated.inUse
  // Records of older versions may lead from a revision to itself: there is no way back from it.
  const mayGoBack = state !== 'rolling-back' && from !== to
  if (mayGoBack && strategy.maxFailures !== null && failures > strategy.maxFailures) {
    const allowed = `${failures} ${failures === 1 ? 'failure' : 'failures'} of revision ${to}, and ${strategy.maxFailures} are allowed`
    const reason = `${allowed}. The last: ${lastFailure}`.slice(0, 500)
    return { do: 'turn', to: 'rolling-back', reason }
  }
  if (state === 'canary' || state === 'watching') {
    const canaries = canariesOf({ replicas, strategy, rollout })
    if (serving < canaries) return undefined
    const many = canaries === 1 ? 'one ship' : `${canaries} ships`
    const areReady = `${many} of revision ${to} ${canaries === 1 ? 'is' : 'are'} Ready`
    if (state === 'canary') return { do: 'turn', to: 'watching', reason: areReady }
    // Written down, as a failure is forgotten with its ship.
    if (lastFailureAt !== null && Date.parse(lastFailureAt) > Date.parse(since)) {
      const reason = `${areReady} again, and to do well anew after a failure. The last: ${lastFailure}`
      return { do: 'turn', to: 'watching', reason: reason.slice(0, 500) }
    }
    const pauseMs = strategy.type === 'canary' ? strategy.pauseMs : 0
    if (pauseMs === null || nowMs - Date.parse(since) < pauseMs) return undefined
    return { do: 'turn', to: 'rolling', reason: `${many} of revision ${to} did well for ${pauseMs} ms` }
  }
  if (sizeOf(outdated) > 0 || serving < replicas || sizeOf(updated) > serving) return undefined
  if (rollout.resized?.pending) return undefined
  return {
    do: 'turn',
    to: state === 'rolling' ? 'done' : 'rolled-back',
    reason: `from revision ${from} to ${to}`,
  }
}

/** Ships of the new revision wanted now. */
function canariesOf({ replicas, strategy, rollout: { state } }: RolloutPicture): number {
  if (strategy.type !== 'canary' || (state !== 'canary' && state !== 'watching')) return replicas
  return Math.ceil((replicas * strategy.percent) / 100)
}

/** Ships over `keep`: those that serve nobody first, then as many Ready ones as may go. */
function excessOf(crew: Crew, keep: number, mayGo: number) {
  const excess = sizeOf(crew) - keep
  const idle = Math.min(excess, crew.coming + crew.unwell)
  if (idle > 0) return { do: 'stop', count: idle, states: unready } as const
  const ready = Math.min(excess, crew.ready, mayGo)
  return ready > 0 ? ({ do: 'stop', count: ready, states: ['Ready'] } as const) : undefined
}

function idleOf({ ready, coming, unwell }: Crew): number {
  return ready + coming + unwell
}

/** As numbers of ships; one of them is at least 1, or nothing could be exchanged. */
function limitsOf(strategy: Strategy, replicas: number, idle: number, maySurge: boolean) {
  if (strategy.type === 'recreate') return { surge: 0, unavailable: idle }
  const surge = maySurge ? shareOf(strategy.maxSurge, replicas, Math.ceil) : 0
  const unavailable = shareOf(strategy.maxUnavailable, idle, Math.floor)
  return { surge, unavailable: surge === 0 ? Math.max(1, unavailable) : unavailable }
}

function shareOf(share: Share, of: number, round: (count: number) => number): number {
  return typeof share === 'number' ? share : round((of * Number.parseInt(share, 10)) / 100)
}
