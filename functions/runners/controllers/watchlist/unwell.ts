// Unwell: ships that stay Unhealthy are ended, so that what hangs is not kept for a gameserver.
import type { Decision, Watchlist } from '../../../../shared/api/moves.ts'

export function endUnwell({ unwell }: Pick<Watchlist, 'unwell'>): Decision[] {
  return unwell.map(({ id, attempt, stateSince }) => ({
    ...{ ship: id, attempt, to: 'Stopping' },
    reason: `Unhealthy since ${stateSince}, longer than its blueprint's lifecycle.unhealthy.afterMs`,
  }))
}
