// The lookout: notices ships that have ended, and clears away what they leave.
//
// INVARIANTS
// - The list of containers decides. Events, and glances at those that do not run, only make it be looked at sooner.
// - A container goes when its end is acknowledged: until then it is what a next agent would tell it from.
// - No look waits for what it finds to be done: one container that the engine cannot cope with delays no other ship's end.
import { loop } from '../../shared/loop.ts'
import { onEnds } from '../docker/events.ts'
import { keyOf } from '../roster.ts'
import { compare } from './compare.ts'
import type { Crew } from './crew.ts'
import { carryOut } from './ending/end.ts'
import { settle } from './ending/settle.ts'

/**
 * For what no event and no glance tells: a container that is gone, or is nobody's. A full host's list is 300 KB, and a
 * major collection.
 */
const everyMs = 60_000
const glanceMs = 3_000
/** A container that nobody knows is worth a question, but not one at every look. */
const askAgainMs = 10_000

export async function keepLookout(crew: Crew): Promise<void> {
  const { gate, ask, signal, log, look } = crew
  let askedAtMs = Number.NEGATIVE_INFINITY
  const glances = loop({ name: 'glance', everyMs: glanceMs, signal, log }, async () => {
    if ((await crew.engine.list(crew.host.id, 'down')).length > 0) look.ring()
  })
  await loop({ name: 'lookout', everyMs, signal, log, bell: look }, async () => {
    const unknown = await lookOnce(crew)
    if (unknown === 0 || !gate.wasOpen || performance.now() - askedAtMs < askAgainMs) return
    askedAtMs = performance.now()
    ask.ring()
  })
  await glances
}

/**
 * Begins to settle what has ended, to end what has to, and to clear what is done. @returns the number of containers that
 * nobody knows.
 */
export async function lookOnce(crew: Crew): Promise<number> {
  const { engine, roster, outbox, removals, hands, host } = crew
  const aboard = roster.list()
  const containers = await engine.list(host.id)
  const { ended, ending, done, unknown } = compare({
    aboard,
    containers,
    left: (of) => roster.hasLeft(of),
    unreported: (of) => outbox.has(of),
  })
  for (const entry of ended) hands.once(`settle ${keyOf(entry.grant)}`, () => settle(crew, entry))
  for (const entry of ending) void carryOut(crew, entry)
  for (const { id } of done) removals.add(id)
  return unknown.length
}

/** Looks at once when the engine says that a container ended. */
export async function listen(crew: Crew): Promise<void> {
  const { engine, host, hands, signal, log, look } = crew
  await loop({ name: 'docker events', everyMs: 1_000, signal, log }, async () => {
    await onEnds(engine, host.id, signal, (id) => {
      hands.run('hear of an end', async () => {
        // The event comes some 100 ms before the list shows the end; an inspect waits for it.
        await engine.details(id)
        look.ring()
      })
    })
    look.ring()
  })
}
