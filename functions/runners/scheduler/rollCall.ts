// Roll call: looks for the ships of each gang that waits, so that it is placed when none is missing.
//
// INVARIANTS
// - A ship is accounted for when it waits to be placed, has a host, or need not be waited for; once and for all.
// - What is on a host counts, whoever put it there: a new leader places what the last one did not come to.
import type { Board } from './board.ts'
import type { Muster } from './muster.ts'
import type { Group, Pile } from './pile.ts'

/** Looks for those that are missing. */
export function isComplete({ missing }: Muster, pile: Pile, board: Board): boolean {
  for (const ship of missing) {
    const entry = pile.get(ship)
    // One that comes without its gang had a host before.
    const isThere = entry ? entry.state !== 'early' || !entry.ticket.gang : board.attemptOf(ship) > 0
    if (isThere) missing.delete(ship)
  }
  return missing.size === 0
}

/** The ships of all gangs that were missing when they were last looked for. */
export function missingShips(pile: Pile): string[] {
  return [...pile.groups].flatMap(({ muster }) => (muster ? [...muster.missing] : []))
}

/** Those need not be waited for. @returns the gangs that still miss others, with a reason that says so. */
export function excuse(ships: ReadonlySet<string>, pile: Pile): Group[] {
  const incomplete: Group[] = []
  for (const group of pile.groups) {
    if (!group.muster) continue
    const { missing, gang } = group.muster
    for (const ship of missing) if (ships.has(ship)) missing.delete(ship)
    if (missing.size === 0) continue
    group.reason = `waits for ${missing.size} of the ${gang.size} ships that go together: they are not in the queue yet`
    group.why = undefined
    incomplete.push(group)
  }
  return incomplete
}
