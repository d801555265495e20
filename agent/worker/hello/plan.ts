// What has to be done so that this host carries what it should. Pure: it decides, steps.ts carries out.
//
// INVARIANTS
// - What does not belong here goes first, before any new work.
// - What this process has settled is not judged again by an answer that may be older: its end is told once more.
// - A container that nobody mentions is left alone: it may have been made after the question was asked.
import type { Grant } from '../../../shared/model/grant.ts'
import type { Found } from '../../docker/engine.ts'
import { type Aboard, keyOf, type ShipAttempt } from '../../roster.ts'

export interface Scene {
  wanted: readonly Grant[]
  strays: readonly ShipAttempt[]
  containers: readonly Found[]
  /** The ship as it is aboard now. */
  aboard: (ship: string) => Aboard | undefined
  /** The attempt has left this host. */
  left: (of: ShipAttempt) => boolean
  /** How it ended waits to be acknowledged. */
  unreported: (of: ShipAttempt) => boolean
}

export type Step =
  | { step: 'discard'; ship: string; attempt: number; containerId: string | null }
  | { step: 'start'; grant: Grant }
  | { step: 'adopt'; grant: Grant; containerId: string }
  | { step: 'stop'; grant: Grant; containerId: string | null }
  /** It has ended, or is gone: say how. */
  | { step: 'settle'; grant: Grant; containerId: string | null }
  /** It has left, and the ApiServer does not know: its end was lost on the way, or the answer is older than it. */
  | { step: 'retell'; grant: Grant }
  /** The ApiServer does not know what was reported of it. */
  | { step: 'repeat'; grant: Grant }
  /** It is to have other limits. */
  | { step: 'resize'; grant: Grant }

export function plan(scene: Scene): Step[] {
  return [...discards(scene), ...scene.wanted.flatMap((grant) => stepFor(grant, scene) ?? [])]
}

function discards({ wanted, strays, containers, aboard }: Scene): Step[] {
  const latest = new Map(wanted.map((grant) => [grant.ship, grant.attempt]))
  const isStray = new Set(strays.map(keyOf))
  const unwanted = containers.filter(
    (of) => isStray.has(keyOf(of)) || of.attempt < (latest.get(of.ship) ?? 0),
  )
  const bodiless = strays.filter(({ ship, attempt }) => {
    const entry = aboard(ship)
    return entry?.grant.attempt === attempt && entry.phase === 'Claimed'
  })
  return [
    ...unwanted.map(({ ship, attempt, id }): Step => ({ step: 'discard', ship, attempt, containerId: id })),
    ...bodiless.map(({ ship, attempt }): Step => ({ step: 'discard', ship, attempt, containerId: null })),
  ]
}

function stepFor(grant: Grant, scene: Scene): Step | Step[] | undefined {
  const { containers, aboard, left, unreported } = scene
  const entry = aboard(grant.ship)
  if (entry && entry.grant.attempt > grant.attempt) return undefined
  if (left(grant)) return unreported(grant) ? undefined : { step: 'retell', grant }
  if (unreported(grant) && entry?.grant.attempt !== grant.attempt) return undefined
  if (entry?.grant.attempt === grant.attempt && entry.phase !== 'Found') return newsOf(grant, entry)

  const { state } = grant
  const found = containers.find(({ ship, attempt }) => ship === grant.ship && attempt === grant.attempt)
  const containerId = found?.id ?? null
  if (found?.state === 'running') {
    if (state === 'Stopping') return { step: 'stop', grant, containerId: found.id }
    // Looked at when everybody is aboard again.
    const resize: Step[] = grant.resize === undefined ? [] : [{ step: 'resize', grant }]
    return [{ step: 'adopt', grant, containerId: found.id }, ...resize]
  }
  const notYetRun = found === undefined || found.state === 'created'
  // Scheduled: its job is in the queue and will be claimed.
  if (notYetRun && state === 'Scheduled') return undefined
  if (notYetRun && state === 'Starting') return { step: 'start', grant }
  return { step: 'settle', grant, containerId }
}

const knownAsReady: readonly string[] = ['Ready', 'Reserved', 'Allocated']

function newsOf(grant: Grant, entry: Aboard): Step | undefined {
  if (entry.ending) return undefined
  if (grant.state === 'Stopping') return { step: 'stop', grant, containerId: entry.containerId }
  const behind =
    (entry.phase === 'Ready' && !knownAsReady.includes(grant.state)) ||
    (entry.phase === 'Unhealthy' && knownAsReady.includes(grant.state))
  if (behind) return { step: 'repeat', grant }
  const isResized = (grant.resize ?? 0) > (entry.grant.resize ?? 0)
  return isResized && entry.containerId !== null ? { step: 'resize', grant } : undefined
}
