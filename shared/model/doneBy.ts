// When a ship in use will be done: what it, or whoever gave it its session, has promised.
import type { Ship } from './ship.ts'
import { ownPrefix } from './word.ts'

/** Annotation: an RFC 3339 time. Given by `doneBy` of a change, or by an allocation. */
export const doneBy = 'armada.dev/done-by'
/** As ships say it themselves: `SetAnnotation("done-by", …)` of their SDK. */
const ownDoneBy = `${ownPrefix}done-by`

/** The ship without what was promised of its session. */
export function unpromised(ship: Ship): Ship {
  const { [doneBy]: _, [ownDoneBy]: __, ...annotations } = ship.annotations ?? {}
  return ship.annotations ? { ...ship, annotations } : ship
}

/** The later one of what was said; undefined: nothing, or only of a session before this one. */
export function promisedMs({
  annotations,
  stateSince,
}: Pick<Ship, 'annotations' | 'stateSince'>): number | undefined {
  const sinceMs = Date.parse(stateSince)
  const times = [annotations?.[doneBy], annotations?.[ownDoneBy]].map((text) => Date.parse(text ?? ''))
  const ofThis = times.filter((time) => time > sinceMs)
  return ofThis.length > 0 ? Math.max(...ofThis) : undefined
}
