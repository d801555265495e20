// Aged: ships that have been Ready for longer than their blueprint allows are ended, so that their fleets renew them.
import type { Decision, Watchlist } from '../../../../shared/api/moves.ts'

export function endAged({ aged }: Pick<Watchlist, 'aged'>): Decision[] {
  return aged.map(({ id, attempt }) => ({
    ...{ ship: id, attempt, to: 'Stopping' },
    reason: "it has reached its blueprint's lifecycle.maxAgeMs",
  }))
}
