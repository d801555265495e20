// What becomes of a fleet that a policy scales: its next number of replicas, and why. Pure.
//
// INVARIANTS
// - The answer lies between min and max, whatever windows and steps say.
// - While no policy applies, a fleet goes to min; while it cannot be told what the policy would ask for, it stays as it is.
import { type Memory, newMemory, noted, paced } from './pace.ts'
import { type Picture, wishOf } from './policies.ts'

export interface Decision {
  replicas: number
  /** What the policy asks for, between min and max. */
  wanted: number
  why: string
  memory: Memory
}

const whyLength = 500

/** @param nowMs by a clock that never goes back. */
export function decide(picture: Picture, before: Memory | undefined, nowMs: number): Decision {
  const { autoscale, replicas } = picture.fleet
  const { min, max, policy } = autoscale
  const wish = wishOf(policy, picture)
  const ships = wish.ships ?? (wish.unknown ? replicas : min)
  const wanted = Math.max(min, Math.min(max, ships))
  const memory = noted(before ?? newMemory(replicas, nowMs), autoscale, replicas, wanted, nowMs)
  const pace = paced(memory, autoscale)
  const next = Math.max(min, Math.min(max, pace.ships))
  const told = [
    wish.ships === undefined ? `${ships}, as no policy applies: ${wish.why}` : `${wish.why} = ${ships}`,
    ...(wanted < ships ? [`at most ${max}`] : []),
    ...(wanted > ships ? [`at least ${min}`] : []),
    ...(pace.why ? [`${next} for now: ${pace.why}`] : []),
  ]
  return { replicas: next, wanted, why: told.join('; ').slice(0, whyLength), memory }
}
