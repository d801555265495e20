// The deadline of a rollout: ships in use are told first when they end, and are ended only after that time.
import { endsAt, untold } from '../../../shared/model/endsAt.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import { defaultStrategy, isExchanging } from '../../../shared/model/rollout.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isFinished, isSpared } from '../../../shared/model/shipState.ts'
import { stop } from './lifecycle.ts'

/** What becomes of a ship because of the deadline of its fleet's rollout; undefined: nothing now. */
export function afterDeadline(ship: Ship, fleet: Fleet, nowMs: number): Ship | undefined {
  if (fleet.deleting || isFinished(ship.state) || ship.state === 'Stopping') return undefined
  const { rollout, blueprint } = fleet
  const { deadlineMs } = fleet.strategy ?? defaultStrategy
  const isMeant = ship.blueprint.revision !== blueprint.revision && isSpared(ship)
  if (!rollout || !isExchanging(rollout) || deadlineMs === undefined || !isMeant) {
    const rest = untold(ship)
    return rest === ship ? undefined : rest
  }
  const told = Date.parse(ship.annotations?.[endsAt] ?? '')
  // What an earlier rollout, or anybody else, wrote there counts for nothing, nor what was said before a pause.
  if (!(told >= Date.parse(rollout.since) + deadlineMs)) {
    const at = new Date(nowMs + deadlineMs).toISOString()
    return { ...ship, annotations: { ...ship.annotations, [endsAt]: at } }
  }
  if (nowMs < told) return undefined
  return stop(ship, 'api', `its time ended at ${ship.annotations?.[endsAt]}, as its fleet's rollout says`)
}
