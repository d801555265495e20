// When a ship in use is ended by its fleet's rollout: what it is told, and how that is taken back.
import type { Ship } from './ship.ts'

/** Annotation: an RFC 3339 time. */
export const endsAt = 'armada.dev/ends-at'

/** The ship without what it was told; itself when it was told nothing. */
export function untold(ship: Ship): Ship {
  const { [endsAt]: told, ...annotations } = ship.annotations ?? {}
  return told === undefined ? ship : { ...ship, annotations }
}
