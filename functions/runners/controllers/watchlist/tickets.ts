// Tickets: a ship that waits for something that will not come is queued again, with the next attempt.
import type { Decision, Watchlist } from '../../../../shared/api/moves.ts'

/** Ships whose ticket no scheduler holds, and ships whose host has not claimed them. */
export function queueAgain({
  withoutTicket,
  unclaimed,
}: Pick<Watchlist, 'withoutTicket' | 'unclaimed'>): Decision[] {
  const decisions = withoutTicket.map(
    ({ id, attempt }): Decision => ({
      ship: id,
      attempt,
      to: 'Queued',
      reason: 'its ticket was lost; it was queued again',
    }),
  )
  for (const { id, attempt, host } of unclaimed) {
    const reason = `host ${host ?? '?'} did not claim it in time; it was queued again`
    decisions.push({ ship: id, attempt, to: 'Queued', reason })
  }
  return decisions
}
