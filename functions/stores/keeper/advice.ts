// What a host's agent says of it beside what its Advice tells the scheduler: is there need to write? Pure.
import type { Advice, Holding } from '../../../shared/model/holding.ts'
import { sameResources } from '../../../shared/model/resources.ts'

/** What the Advice tells, but for what people ordered. */
export type Told = Pick<Advice, 'degraded' | 'holdings' | 'ended'>

/** What an agent reported. */
export interface Said {
  /** Why the host takes no new ships; undefined when nothing was said about it. */
  degraded: string | null | undefined
  /** All ships aboard; null when nothing was said about them. */
  holdings: readonly Holding[] | null
  /** Ships that have left, or will not board. */
  ended: Advice['ended']
  /** Whether a ship is aboard just as it was placed, so that the scheduler counts it already. */
  asPlaced: (holding: Holding) => boolean
  /** Compared with the node itself, not with what this ApiServer last saw of it. */
  anew: boolean
}

/** Ships that boarded as they were placed, and of which so many may be unsaid. */
const unsaidLimit = 32
/** The scheduler may pass over a version of the Advice that is followed quickly by the next. */
const endedKept = 64
/** Of more at once it learns by asking: the node must stay small. */
const mostEnded = 1_000

/** Whether the scheduler needs to hear it. */
export function tellsMore(told: Told, said: Said): boolean {
  if (said.degraded !== undefined && said.degraded !== told.degraded) return true
  const shown = new Map(told.holdings.map((holding) => [holding.ship, holding]))
  const ended = new Set(told.ended.map(keyOf))
  if (said.ended.some((of) => !ended.has(keyOf(of)) || shown.get(of.ship)?.attempt === of.attempt))
    return true
  if (!said.holdings) return false
  let unsaid = 0
  let kept = 0
  for (const holding of said.holdings) {
    const before = shown.get(holding.ship)
    if (before && same(before, holding)) kept++
    else if (before || !said.asPlaced(holding)) return true
    else unsaid++
  }
  return kept < shown.size || unsaid > unsaidLimit
}

/** The next Advice: all that was said, and of the rest what was told. */
export function merged(told: Told, said: Said): Told {
  const over = new Set(said.ended.map(keyOf))
  const holdings = said.holdings ?? told.holdings.filter((holding) => !over.has(keyOf(holding)))
  const aboard = new Set(holdings.map(keyOf))
  const earlier = told.ended.filter((of) => !over.has(keyOf(of)))
  const ended = [...said.ended, ...earlier].filter((of) => !aboard.has(keyOf(of)))
  return {
    degraded: said.degraded === undefined ? told.degraded : said.degraded,
    holdings: [...holdings],
    ended: ended.slice(0, Math.min(mostEnded, Math.max(endedKept, said.ended.length))),
  }
}

function same(a: Holding, b: Holding): boolean {
  return (
    a.attempt === b.attempt &&
    a.fleet === b.fleet &&
    sameResources(a.resources, b.resources) &&
    a.hostPorts.join() === b.hostPorts.join()
  )
}

function keyOf({ ship, attempt }: { ship: string; attempt: number }): string {
  return `${ship}/${attempt}`
}
