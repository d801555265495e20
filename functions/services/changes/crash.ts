// Crash: what becomes of a ship that failed after it was Ready, as its blueprint says. Pure.
import type { Restart } from '../../../shared/model/lifecycle.ts'
import type { Ship, ShipExit } from '../../../shared/model/ship.ts'
import { crashesOf } from './backoff.ts'
import { avoiding, end, move, requeue } from './lifecycle.ts'

export function crash(
  ship: Ship,
  reason: string,
  exit: ShipExit | null,
  { policy, most }: Restart,
): Ship | undefined {
  if (policy === 'never' || ship.state === 'Stopping') return end(ship, 'Failed', 'agent', reason, exit)
  const crashes = crashesOf(ship) + 1
  if (crashes >= most) {
    const detail = `Gave up after ${crashes} crashes in a row. The last one, on ${ship.host}: ${reason}`
    return move(ship, 'Failed', 'agent', detail, { crashes, exit })
  }
  const where = policy === 'inPlace' ? { home: ship.host } : { avoidHosts: avoiding(ship) }
  const told = `Crash ${crashes} of ${most}, on ${ship.host}: ${reason}`
  return requeue(ship, 'agent', told, { ...where, crashes, exit })
}
