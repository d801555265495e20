// Ending ships: decided once, carried out in the background, told by what their containers leave behind.
import { type Aboard, about, type Ending, type ShipAttempt } from '../roster.ts'
import type { Crew } from './crew.ts'
import { type Farewell, halt } from './halt.ts'
import { settle } from './settle.ts'

/** A twin may run elsewhere already: it must be gone within 5 s of contact. */
const strayGraceMs = 3_000

const quick = (graceMs = strayGraceMs): Farewell => ({ graceMs: Math.min(graceMs, strayGraceMs) })

/** Returns at once. A ship that is just being started ends as soon as its container is there. */
export function endShip(crew: Crew, of: ShipAttempt, ending: Ending): void {
  const entry = crew.roster.at(of)
  if (!entry || (entry.ending && ending.why !== 'stray')) return
  const now = crew.roster.change(of, { ending })
  if (now && now.phase !== 'Claimed') crew.hands.run('end a ship', () => carryOut(crew, now))
}

/** Halts and settles a ship whose ending was decided. */
export async function carryOut(crew: Crew, entry: Aboard): Promise<void> {
  const { grant, containerId, ending } = entry
  crew.log.info({ ...about(grant, ending), why: ending?.why }, 'ending a ship')
  if (containerId !== null) {
    const { graceMs, stopCommand: command } = grant.spec.lifecycle
    const farewell = ending?.why === 'stray' ? quick(graceMs) : { graceMs, command }
    await halt(crew.engine, containerId, farewell)
  }
  crew.look.ring()
}

/** Ends what does not belong here, and resolves when it is gone. */
export async function discard(crew: Crew, of: ShipAttempt, containerId: string | null): Promise<void> {
  const { engine, roster, removals, log } = crew
  log.warn({ ship: of.ship, attempt: of.attempt }, 'removing a ship that does not belong here')
  const entry = roster.change(of, { ending: { why: 'stray' } })
  // Its start, still under way, sees the ending and undoes itself.
  if (entry?.phase === 'Claimed') return
  const id = containerId ?? entry?.containerId ?? null
  if (id !== null) await halt(engine, id, quick(entry?.grant.spec.lifecycle.graceMs))
  if (entry) await settle(crew, entry)
  if (id !== null) await removals.run(() => engine.remove(id))
}
