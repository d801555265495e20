// What happens to a fleet's rollout: how one begins, which turns it takes, and how it goes back.
import { ArmadaError } from '../../../shared/errors.ts'
import { type Fleet, newestOf } from '../../../shared/model/fleet.ts'
import type { FleetEntry } from '../../../shared/model/history.ts'
import {
  defaultStrategy,
  isOver,
  mayTurn,
  type Rollout,
  type RolloutState,
} from '../../../shared/model/rollout.ts'
import { remembering } from './fleetChanges.ts'

const told: Readonly<Record<Exclude<RolloutState, 'canary'>, FleetEntry['what']>> = {
  watching: 'canary-ready',
  rolling: 'promoted',
  done: 'rolled-out',
  'rolling-back': 'rolling-back',
  'rolled-back': 'rolled-back',
}

/** The fleet on its way to another revision. @param by who wants it. */
export function goingTo(fleet: Fleet, revision: number, by: string): Fleet {
  const { revision: now } = fleet.blueprint
  if (revision === now) return fleet
  const proven = provenOf(fleet)
  // Not a rollout that could be rolled back: there would be nothing else to go back to.
  if (revision === proven) return goingBack(fleet, revision, `by ${by}`)
  const type = (fleet.strategy ?? defaultStrategy).type
  // A fleet without ships to keep has no canaries: nothing could be seen of them.
  const state = type === 'canary' && fleet.replicas > 0 ? 'canary' : 'rolling'
  const next = on(fleet, { state, from: proven, to: revision, reason: `by ${by}` })
  return remembering(next, 'revised', `from ${now} to ${revision} by ${by}`)
}

/** Back to what the ships were before, or to a chosen revision: without canaries, and not to be rolled back again. */
export function goingBack(fleet: Fleet, revision: number | undefined, reason: string): Fleet {
  const { rollout } = fleet
  const { revision: now } = fleet.blueprint
  if (revision === undefined && rollout?.state === 'rolling-back') {
    const detail = `Fleet "${fleet.name}" is on its way back to revision ${now}. Name the one that it is to have.`
    throw new ArmadaError('conflict', detail)
  }
  // Forth again, to what did not do well, nobody is to come by the same word.
  if (revision === undefined && rollout?.state === 'rolled-back') {
    const detail = `Fleet "${fleet.name}" was rolled back from revision ${rollout.from} to ${now}. Name the one that it is to have.`
    throw new ArmadaError('conflict', detail)
  }
  const to = revision ?? rollout?.from
  if (to === undefined || to === now) {
    throw new ArmadaError(
      'conflict',
      to === undefined
        ? `Fleet "${fleet.name}" had no other revision before. Name the one that it is to have.`
        : `Fleet "${fleet.name}" has revision ${now} already. Name the one that it is to have.`,
    )
  }
  const next = on(fleet, { state: 'rolling-back', from: now, to, reason })
  return remembering(next, 'rolling-back', `from ${now} to ${to}: ${reason}`)
}

/** The next turn of the rollout that is under way. */
export function turned(fleet: Fleet, to: Exclude<RolloutState, 'canary'>, reason: string): Fleet {
  const { rollout } = fleet
  if (!rollout || !mayTurn(rollout.state, to)) {
    const state = rollout ? `its rollout is ${rollout.state}` : 'it has no rollout'
    throw new ArmadaError('conflict', `Fleet "${fleet.name}" cannot come to "${to}": ${state}.`)
  }
  if (to === 'rolling-back') return goingBack(fleet, rollout.from, reason)
  const since = new Date().toISOString()
  return remembering({ ...fleet, rollout: { ...rollout, state: to, since } }, told[to], reason)
}

/** All ships follow the canaries, by a person's word. */
export function promoted(fleet: Fleet, by: string): Fleet {
  const { rollout } = fleet
  if (rollout?.state !== 'canary' && rollout?.state !== 'watching') {
    throw new ArmadaError('conflict', `Fleet "${fleet.name}" has no canaries that others could follow.`)
  }
  if (rollout.paused) {
    throw new ArmadaError('conflict', `The rollout of fleet "${fleet.name}" is paused. Resume it first.`)
  }
  const watched: Fleet = { ...fleet, rollout: { ...rollout, state: 'watching' } }
  return turned(watched, 'rolling', `by ${by}`)
}

/**
 * The rollout stays as far as it is. Another one, or the way back, is not paused.
 * @param live ships that count towards the replicas.
 */
export function paused(fleet: Fleet, by: string, live: number): Fleet {
  const rollout = underWay(fleet)
  if (rollout.paused) return fleet
  const { replicas } = fleet
  const now = {
    since: new Date().toISOString(),
    by,
    surplus: { replicas, ships: Math.max(0, live - replicas) },
  }
  return remembering({ ...fleet, rollout: { ...rollout, paused: now } }, 'paused', `by ${by}`)
}

/** The rollout goes on; canaries have to do well anew, and ships in use are told anew when they end. */
export function resumed(fleet: Fleet, by: string): Fleet {
  const { paused, ...rollout } = underWay(fleet)
  if (!paused) return fleet
  const since = new Date().toISOString()
  return remembering({ ...fleet, rollout: { ...rollout, since } }, 'resumed', `by ${by}`)
}

function underWay({ name, rollout }: Fleet): Rollout {
  if (rollout && !isOver(rollout.state)) return rollout
  const last = rollout ? `the last one is ${rollout.state}` : 'it had none'
  throw new ArmadaError('conflict', `Fleet "${name}" has no rollout under way: ${last}.`)
}

/** The revision whose ships are known to do well, as far as anything is. */
function provenOf({ blueprint, rollout }: Fleet): number {
  if (!rollout || isOver(rollout.state)) return blueprint.revision
  return rollout.state === 'rolling-back' ? rollout.to : rollout.from
}

function on(fleet: Fleet, rollout: Omit<Rollout, 'newest' | 'startedAt' | 'since'>): Fleet {
  const now = new Date().toISOString()
  const { crashLoop: _, relabel, ...rest } = fleet
  return {
    ...rest,
    // What ships were to be given of an earlier revision, and have not got yet, they are not to get any more.
    ...(relabel && { relabel: { labels: relabel.labels } }),
    blueprint: { ...fleet.blueprint, revision: rollout.to },
    rollout: { ...rollout, newest: Math.max(newestOf(fleet), rollout.to), startedAt: now, since: now },
  }
}
