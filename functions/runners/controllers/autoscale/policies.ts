// How many ships a policy asks for, from one reading of a fleet, and why.

import type { Measure, ScaledFleet } from '../../../../shared/api/autoscaling.ts'
import { measureOf, type Policy } from '../../../../shared/model/autoscale.ts'
import { liveOf } from '../../../../shared/model/shipState.ts'
import { activity } from './schedule.ts'

/** What a fleet's webhook said last. */
export type Advice = { replicas: number | null } | { fault: string }

export interface Picture {
  fleet: Pick<ScaledFleet, 'replicas' | 'ships' | 'illInUse' | 'waiting' | 'measures' | 'autoscale'>
  /** By URL; one that was not asked yet is missing. */
  advice: ReadonlyMap<string, Advice>
  /** Time of day, for schedules, in ms since 1970. */
  clockMs: number
}

/**
 * `ships` is what it asks for; without it the policy does not apply now. `unknown` then: what it would ask for cannot be
 * told, as when a webhook does not answer.
 */
export type Wish = { ships: number; why: string } | { ships?: never; unknown: boolean; why: string }

type Of<Type extends Policy['type']> = Extract<Policy, { type: Type }>
type Rules = { [Type in Policy['type']]: (policy: Of<Type>, picture: Picture) => Wish }

const rules: Rules = {
  buffer: ({ size }, picture) => {
    const { ships, illInUse } = picture.fleet
    const { text, needed } = inUse(picture)
    const unwell = (ships.Unhealthy ?? 0) + (ships.Lost ?? 0) - illInUse
    // They count towards the replicas, and nobody can have them.
    const rest = needed + unwell
    const told = `${text}${unwell > 0 ? ` + ${unwell} unwell` : ''}`
    if (typeof size === 'number') return { ships: rest + size, why: `${told} + ${size} kept ready` }
    return { ships: whole(rest, size), why: `${told}, and ${size} of all kept ready` }
  },
  counter: (policy, picture) => roomFor(policy, picture, `of counter ${policy.key}`),
  list: (policy, picture) => roomFor(policy, picture, `of list ${policy.key}`),
  players: (policy, picture) => roomFor(policy, picture, 'players'),
  fixed: ({ replicas }) => ({ ships: replicas, why: `just ${replicas}` }),
  webhook: ({ url }, { advice, fleet }) => {
    const said = advice.get(url)
    const who = `the webhook at ${new URL(url).host}`
    if (!said) return { unknown: true, why: `${who} was not asked yet` }
    if ('fault' in said) return { unknown: true, why: `${who} cannot be asked: ${said.fault}` }
    if (said.replicas === null) return { ships: fleet.replicas, why: `${who} wants no change` }
    return { ships: said.replicas, why: `${who} wants ${said.replicas}` }
  },
  schedule: (policy, picture) => {
    const { active, text } = activity(policy, picture.clockMs)
    if (!active) return { unknown: false, why: text }
    const wish = wishOf(policy.policy, picture)
    return { ...wish, why: `${text}: ${wish.why}` }
  },
  chain: ({ policies }, picture) => {
    const skipped: string[] = []
    let unknown = false
    for (const [i, policy] of policies.entries()) {
      const wish = wishOf(policy, picture)
      if (wish.ships !== undefined) return { ships: wish.ships, why: `policy ${i + 1}, ${wish.why}` }
      skipped.push(`policy ${i + 1}, ${wish.why}`)
      unknown ||= wish.unknown
    }
    return { unknown, why: skipped.join('; ') }
  },
}

export function wishOf<Type extends Policy['type']>(policy: Of<Type>, picture: Picture): Wish {
  return rules[policy.type as Type](policy, picture)
}

/** Ships that somebody has, be they ill meanwhile, and those that somebody waits for. */
function inUse({ fleet: { ships, illInUse, waiting } }: Picture): { needed: number; text: string } {
  const used = (ships.Allocated ?? 0) + (ships.Reserved ?? 0) + illInUse
  return { needed: used + waiting, text: `${used} in use${waiting > 0 ? ` + ${waiting} waited for` : ''}` }
}

/** The fleet of which `part` is what the rest leaves. */
function whole(rest: number, part: string): number {
  const share = Number.parseInt(part, 10)
  return Math.ceil((rest * 100) / (100 - share))
}

/**
 * Ships for so much free capacity. Those that are there count with what they have, so that ships of older revisions may
 * have more or less room than new ones.
 */
function roomFor(policy: Of<'counter' | 'list' | 'players'>, picture: Picture, what: string): Wish {
  const { fleet } = picture
  const nothing: Measure = { used: 0, capacity: 0, each: 0 }
  const { used, capacity, each } = fleet.measures[measureOf(policy) as string] ?? nothing
  const { ships, needed, text } = { ships: liveOf(fleet.ships), ...inUse(picture) }
  if (each <= 0) {
    const least = Math.max(1, ships, needed)
    return { ships: least, why: `${least}, because no ship has said yet how much ${what} it has room for` }
  }
  const { free } = policy
  const wanted = typeof free === 'number' ? used + free : Math.max(whole(used, free), 1)
  const enough = Math.max(0, ships + Math.ceil((wanted - capacity) / each))
  const kept = `${used} ${what} + ${typeof free === 'number' ? `${free} kept free` : `${free} of all kept free`}`
  if (needed > enough) return { ships: needed, why: `${text}, more than for ${kept}` }
  return { ships: enough, why: `${kept}, with ${amount(each)} in a ship` }
}

function amount(each: number): string {
  return String(Math.round(each * 10) / 10)
}
