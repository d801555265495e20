// What people may order of a fleet that a policy scales.
import type { AddressGuard } from '../../../shared/addressGuard.ts'
import { ArmadaError } from '../../../shared/errors.ts'
import { type Autoscale, askedBy } from '../../../shared/model/autoscale.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'

/** The replicas that a new fleet begins with. @throws ArmadaError invalid_request. */
export function firstReplicas(asked: number | undefined, autoscale: Autoscale | undefined): number {
  if (!autoscale) return asked ?? 1
  const { min, max } = autoscale
  if (asked === undefined) return Math.min(Math.max(min, 1), max)
  if (asked >= min && asked <= max) return asked
  throw new ArmadaError(
    'invalid_request',
    `In the body, replicas: ${asked} is not within autoscale, ${min} to ${max}. Leave it out, or move min or max.`,
  )
}

/** The replicas that it has, or soon will have by the bounds of its policy alone. */
export function bounded({ replicas, autoscale }: Pick<Fleet, 'replicas' | 'autoscale'>): number {
  return autoscale ? Math.max(autoscale.min, Math.min(autoscale.max, replicas)) : replicas
}

/** @throws ArmadaError conflict when a policy decides the replicas. */
export function assertByHand({ name, autoscale }: Fleet): void {
  if (!autoscale) return
  const { policy, min, max } = autoscale
  throw new ArmadaError(
    'conflict',
    `Fleet "${name}" is autoscaled (${policy.type}, ${min} to ${max} ships): replicas given by hand would not stay. Change autoscale, or send "autoscale": null with them.`,
  )
}

/** @throws ArmadaError invalid_request when it asks a webhook at a place that it may not. */
export function assertUrls(autoscale: Autoscale | null | undefined, guard: AddressGuard): void {
  for (const url of autoscale ? askedBy(autoscale) : []) {
    const why = guard.refusalOfUrl(new URL(url))
    if (why) throw new ArmadaError('invalid_request', `In the body, autoscale, url: ${why}.`)
  }
}
