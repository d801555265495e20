// What becomes of a running ship whose limits change: it gets them, keeps what it had, or is refused by its host. Pure.
import type { BlueprintSpec } from '../../../shared/model/blueprint.ts'
import type { Difference } from '../../../shared/model/difference.ts'
import type { Holding } from '../../../shared/model/holding.ts'
import { heldBy, type Resize } from '../../../shared/model/resize.ts'
import { larger } from '../../../shared/model/resources.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isInUse } from '../../../shared/model/shipState.ts'

/** What Docker changes of a container as it runs. Disk and named resources are only counted. */
export function isLimit({ path }: Pick<Difference, 'path'>): boolean {
  return path.startsWith('/resources/') || path === '/limits/cpu' || path === '/limits/pids'
}

export const oldAgent = 'the agent of its host cannot change the limits of ships that run: upgrade it'

/** It runs, so that its host can change it; what does not is made anew by its fleet at less cost. */
export function runs({ state, host }: Pick<Ship, 'state' | 'host'>): boolean {
  return host !== null && (state === 'Ready' || state === 'Unhealthy' || isInUse(state))
}

/** The ship with the limits of that revision, which its host has yet to give it. */
export function resizing(ship: Ship, to: number, { resources }: Pick<BlueprintSpec, 'resources'>): Ship {
  const resize = { ...begun(ship, to), state: 'pending' as const, reason: null }
  return { ...ship, resources, blueprint: { ...ship.blueprint, revision: to }, resize }
}

/** It keeps what it has. @param reason what people read on the ship that is replaced instead. */
export function notResized(ship: Ship, to: number, reason: string): Ship {
  const { resize } = ship
  if (resize?.state === 'refused' && resize.to === to && resize.reason === reason) return ship
  return { ...ship, resize: { ...begun(ship, to), state: 'refused', reason: reason.slice(0, 500) } }
}

function begun({ resize, resources, blueprint }: Ship, to: number): Pick<Resize, 'n' | 'from' | 'to' | 'at'> {
  const from = { revision: blueprint.revision, resources }
  return { n: (resize?.n ?? 0) + 1, from, to, at: new Date().toISOString() }
}

/** Its host says what became of the change with that number; undefined when that is no news. */
export function resizeAnswered(ship: Ship, n: number, refused: string | null): Ship | undefined {
  const { resize } = ship
  if (resize?.state !== 'pending' || resize.n !== n) return undefined
  const at = new Date().toISOString()
  if (refused === null) return { ...ship, resize: { ...resize, state: 'done', at } }
  const { revision, resources } = resize.from
  const blueprint = { ...ship.blueprint, revision }
  return { ...ship, blueprint, resources, resize: { ...resize, state: 'refused', reason: refused, at } }
}

/** What the ship takes as its host says, or as much as it is about to take. */
export function raised(holding: Holding, host: string, ship: Ship | undefined): Holding {
  const isThis = ship?.host === host && ship.attempt === holding.attempt && ship.resize?.state === 'pending'
  return isThis ? { ...holding, resources: larger(holding.resources, heldBy(ship)) } : holding
}
