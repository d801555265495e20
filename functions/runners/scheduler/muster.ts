// Muster: which ships of a gang that waits are missing, and when placing it was tried.
import { type Gang, shipsOfGang } from '../../../shared/model/gang.ts'

export interface Muster {
  readonly gang: Gang
  /** Its ships that were not accounted for so far. */
  readonly missing: Set<string>
  /** When its placement was last tried. */
  triedAtMs: number
  /** It need not be tried again before: trying costs as much as placing. */
  restsUntilMs: number
}

export function musterOf(gang: Gang): Muster {
  const missing = new Set(shipsOfGang(gang))
  return { gang, missing, triedAtMs: Number.NEGATIVE_INFINITY, restsUntilMs: Number.NEGATIVE_INFINITY }
}
