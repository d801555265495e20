// Why a ship is on its host, or on none: what the scheduler said when it decided, as its record keeps it.
import * as routes from '../../../shared/api/placements.ts'
import type { Explanation, PlacementRule, ShipPlacement } from '../../../shared/model/explanation.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isFinished } from '../../../shared/model/shipState.ts'
import { guarded } from '../../middleware/authenticate.ts'
import type { Stores } from '../../stores/stores.ts'
import { serviceApp } from '../serviceApp.ts'
import { seenShip } from '../ships.ts'

/** What was wrong with those hosts. */
const phrases: Readonly<Record<PlacementRule, string>> = {
  ports: 'had not enough free ports, or no ports could suit its own',
  port: 'had a static port taken',
  pinned: 'did not carry the name that it is pinned to',
  label: 'did not match a required label',
  zone: 'had no label to spread over',
  taint: 'had a taint that it does not tolerate',
  closed: 'took no new ships (cordoned or degraded)',
  memory: 'had not enough memory',
  cpu: 'had not enough CPU',
  disk: 'had not enough disk',
  extra: 'had not enough of a named resource',
  mates: 'carried a ship of its fleet',
  spread: 'stood in a zone with too many of its fleet',
}

export function whereaboutsService(stores: Stores) {
  return serviceApp().openapi(guarded(routes.getPlacement), async (c) => {
    const { value } = await seenShip(stores, c.get('caller'), c.req.valid('param').ship)
    return c.json(placementOf(value), 200)
  })
}

/** Pure. */
function placementOf(ship: Ship): ShipPlacement {
  const { placement, host, stateSince, state, reason, gang } = ship
  const chosenAt = placement?.score ? placement.at : scheduledAt(ship)
  const shown = {
    ...{ ship: ship.id, state, attempt: ship.attempt, failedStarts: ship.failedStarts, host, reason },
    ...(gang && { gang }),
    since: host !== null ? chosenAt : state === 'Queued' ? stateSince : null,
    refusals: refusalsOf(ship),
    hosts: placement
      ? { all: placement.hosts, feasible: placement.feasible, ruledOut: ruledOutOf(placement.ruledOut) }
      : null,
    score: placement?.score ?? null,
  }
  return { ...shown, summary: summaryOf(shown) }
}

type Shown = Omit<ShipPlacement, 'summary'>

function summaryOf({ host, since, hosts, score, reason, state, refusals, gang }: Shown): string {
  const together = gang && !gang.alone ? ` with gang ${gang.id} of ${gang.size}` : ''
  const others = hosts?.ruledOut.map(({ rule, hosts: count }) => {
    return `${count} ${count === 1 ? 'other' : 'others'} ${phrases[rule]}`
  })
  if (host !== null) {
    const sum = score && score.strategy + score.preferred + score.apart
    const best =
      hosts && sum !== null
        ? `, the best of ${hosts.feasible} hosts that could take it (score ${sum})`
        : '; why this one is not recorded'
    const when = isFinished(state) ? `Was on ${host}` : `On ${host}${together}`
    return `${[`${when}${since ? ` since ${since}` : ''}${best}`, ...(others ?? [])].join('; ')}.`
  }
  if (state !== 'Queued') return `${state}, without a host${reason ? `: ${reason}` : ''}.`
  const told =
    refusals === 1 ? 'told once that none can take it' : `told ${refusals} times that none can take it`
  return `Waits for a host${together} since ${since}, ${refusals > 0 ? told : 'not refused so far'}${reason ? `: ${reason}` : ''}.`
}

/** The most common first. */
export function ruledOutOf(ruledOut: Explanation['ruledOut']): { rule: PlacementRule; hosts: number }[] {
  return (Object.entries(ruledOut) as [PlacementRule, number][])
    .map(([rule, hosts]) => ({ rule, hosts }))
    .sort((a, b) => b.hosts - a.hosts)
}

/** Records of older versions know it from their history only. */
function scheduledAt({ history = [], attempt }: Ship): string | null {
  return history.find((one) => one.attempt === attempt && one.host !== undefined)?.at ?? null
}

/** Each refusal takes the place of the one before it in the history, and counts on. */
function refusalsOf({ history = [], attempt }: Ship): number {
  const at = history.findLastIndex((one) => one.refused && one.attempt === attempt)
  const last = history[at]
  return last ? last.n - (history[at - 1]?.n ?? 0) : 0
}
