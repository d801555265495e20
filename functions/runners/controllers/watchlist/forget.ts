// Forget: records of ships that ended long ago go.
import type { Decision, Watchlist } from '../../../../shared/api/moves.ts'

export function forget({ finished }: Pick<Watchlist, 'finished'>): Decision[] {
  return finished.map(({ id, attempt }) => ({
    ship: id,
    attempt,
    to: 'Forgotten',
    reason: 'it ended long ago',
  }))
}
