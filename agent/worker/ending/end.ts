// Ending ships: decided once, carried out in the background, told by what their containers leave behind.
//
// INVARIANTS
// - A ship whose ending was decided is seen to until it has left: every look at the containers begins anew what is not
//   under way (lookout.ts).
// - What keeps a ship from ending stands in its record, when somebody asked for its end, and in the log.
import { type Aboard, about, type Ending, type ShipAttempt } from '../../roster.ts'
import type { Crew } from '../crew.ts'
import { settle } from './settle.ts'

/** A twin may run elsewhere already: it must be gone within 5 s of contact. */
const strayGraceMs = 3_000

/** Returns at once. A ship that is just being started ends as soon as its container is there. */
export function endShip(crew: Crew, of: ShipAttempt, ending: Ending): void {
  const entry = crew.roster.at(of)
  if (!entry || (entry.ending && ending.why !== 'stray')) return
  crew.log.info({ ...about(entry.grant, ending), why: ending.why }, 'ending a ship')
  const now = crew.roster.change(of, { ending })
  if (now && now.phase !== 'Claimed') void carryOut(crew, now)
}

/** Halts a ship whose ending was decided, unless that is under way. Resolves when its container does not run. */
export async function carryOut(crew: Crew, { grant, containerId, pid, ending }: Aboard): Promise<void> {
  if (containerId === null) return
  const { graceMs, stopCommand } = grant.spec.lifecycle
  const isStray = ending?.why === 'stray'
  await crew.halts.end({
    ...{ containerId, pid },
    graceMs: isStray ? Math.min(graceMs, strayGraceMs) : graceMs,
    command: isStray ? undefined : stopCommand,
    onTrouble: (trouble) => tell(crew, grant, trouble),
  })
}

/** Ends what does not belong here. Resolves when it has ended; its container goes in the background. */
export async function discard(crew: Crew, of: ShipAttempt, containerId: string | null): Promise<void> {
  const { roster, halts, removals, log } = crew
  const { ship, attempt } = of
  log.warn({ ship, attempt }, 'ending a ship that does not belong here')
  const entry = roster.change(of, { ending: { why: 'stray' } })
  // Its start, still under way, sees the ending and undoes itself.
  if (entry?.phase === 'Claimed') return
  const id = entry?.containerId ?? containerId
  if (id === null) return
  const onTrouble = (trouble: string) => tell(crew, of, trouble)
  if (entry) await carryOut(crew, entry)
  else await halts.end({ containerId: id, pid: 0, graceMs: strayGraceMs, onTrouble })
  if (crew.signal.aborted) return
  if (entry) await settle(crew, entry)
  removals.add(id)
}

function tell({ roster, outbox, host, log }: Crew, of: ShipAttempt, trouble: string): void {
  const ending = roster.at(of)?.ending
  log.warn({ ...about(of), trouble }, 'a ship does not end')
  if (ending?.why !== 'asked') return
  const reason = `Docker on ${host.id} does not end it: ${trouble}`.slice(0, 1_000)
  outbox.put({ ...about(of), state: 'Stopping', reason })
}
