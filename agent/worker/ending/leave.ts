// Leaving the host: the ships are handed back to the queue, each after its container has ended.

import { messageOf } from '../../../shared/errors.ts'
import { sleep, within } from '../../../shared/loop.ts'
import type { Crew } from '../crew.ts'
import { recognise } from '../hello/recognise.ts'
import { endShip } from './end.ts'

/** Beyond the longest grace: what the engine needs to kill, and what it takes to say so. */
const slackMs = 10_000

/** Resolves when no ship is aboard any more, or when that took far too long. */
export async function giveAllBack(crew: Crew): Promise<void> {
  const { engine, roster, host, look, log } = crew
  // Also those of an agent before this one, which has not yet said hello.
  await engine.list(host.id).then(
    (containers) => recognise(crew, containers),
    (error: unknown) => log.warn({ error: messageOf(error) }, 'the containers could not be listed'),
  )
  const aboard = roster.list()
  const longestMs = Math.max(0, ...aboard.map((entry) => entry.grant.spec.lifecycle.graceMs))
  log.info({ ships: aboard.length, graceMs: longestMs }, 'leaving: ships are ended and given back')
  for (const { grant } of aboard)
    endShip(crew, grant, { why: 'given-back', reason: 'the host is shutting down' })
  const empty = async (): Promise<void> => {
    while (roster.list().length > 0) {
      look.ring()
      await sleep(100)
    }
  }
  const late = (): Error => new Error('some ships did not end')
  await within(empty(), longestMs + slackMs, late).catch(() => {
    log.error({ ships: roster.list().map((entry) => entry.grant.ship) }, 'some ships did not end in time')
  })
}
