// Crash: what becomes of a ship that failed after it was Ready, or had to be ended because it was unwell, as its blueprint
// says. Pure.
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
  // Its fleet has made another one as soon as it began to stop.
  const isReplaced = ship.state === 'Stopping' && (!ship.failing || ship.fleet !== null)
  if (policy === 'never' || isReplaced) return end(ship, 'Failed', 'agent', reason, exit)
  const crashes = crashesOf(ship) + 1
  if (crashes >= most) {
    const detail = `Gave up after ${crashes} crashes in a row. The last one, on ${ship.host}: ${reason}`
    return move(ship, 'Failed', 'agent', detail, { crashes, exit })
  }
  const where = policy === 'inPlace' ? { home: ship.host } : { avoidHosts: avoiding(ship) }
  const told = `Crash ${crashes} of ${most}, on ${ship.host}: ${reason}`
  return requeue(ship, 'agent', told, { ...where, crashes, exit })
}
