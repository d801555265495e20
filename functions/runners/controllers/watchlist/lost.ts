// Lost: what becomes of ships whose host is gone, as their blueprint says.
import type { Decision, Watchlist } from '../../../../shared/api/moves.ts'

/** replace: queued again; fail: Failed; wait: left for the host to bring back. With the brake on, all are left. */
export function resolveLost({ lost }: Pick<Watchlist, 'lost'>, brake: string | null): Decision[] {
  if (brake !== null) return []
  return lost.flatMap(({ id, attempt, host, policy }): Decision[] => {
    if (policy === 'wait') return []
    const gone = `host ${host ?? '?'} is lost`
    return policy === 'replace'
      ? [{ ship: id, attempt, to: 'Queued', reason: `${gone}; it was queued again` }]
      : [{ ship: id, attempt, to: 'Failed', reason: `${gone}, and its blueprint says to give up then` }]
  })
}
