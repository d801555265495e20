// When a host that is cut off has to stop its ships, so that none runs twice. Pure.
import type { BlueprintSpec } from '../../../shared/model/blueprint.ts'

/** A ship gets at least this long after the last word, whatever its blueprint says. */
const leastMs = 1_000

/**
 * Milliseconds without any contact after which the ship has to begin to stop; null when it may run on.
 * The cluster gives a host up when its session has expired and nothing came for `hostLost.afterMs`; four
 * fifths of that leave room for clocks and for the stop itself.
 */
export function cutOffAfterMs(spec: BlueprintSpec, sessionMs: number): number | null {
  const { hostLost, graceMs } = spec.lifecycle
  if (hostLost.policy !== 'replace') return null
  return Math.max(leastMs, 0.8 * Math.max(hostLost.afterMs, sessionMs) - graceMs)
}
