// The Worker's watch on itself: has this process stood still, is this host cut off from the cluster?
import { loop } from '../../../shared/loop.ts'
import type { Crew } from '../crew.ts'
import { cutOffAfterMs } from './cutOff.ts'
import { endShip } from './end.ts'

const everyMs = 250
/** After a doubt the cluster is asked before a ship is stopped for its silence. */
const askFirstMs = 2_000

export async function keepWatch(crew: Crew, sessionMs: number): Promise<void> {
  const { contact, roster, gate, ask, signal, log } = crew
  let doubtedAtMs = Number.NEGATIVE_INFINITY
  contact.onDoubt(() => {
    log.warn({}, 'this host was out of sight or stood still: asking what belongs here before anything else')
    doubtedAtMs = performance.now()
    gate.close()
    ask.ring()
  })
  await loop({ name: 'watch', everyMs, signal, log }, async () => {
    void contact.turn
    if (performance.now() - doubtedAtMs < askFirstMs) return
    const silentMs = performance.now() - contact.heardAtMs
    for (const { grant, ending } of roster.list()) {
      const afterMs = cutOffAfterMs(grant.spec, sessionMs)
      if (ending || afterMs === null || silentMs < afterMs) continue
      const reason = `its host was cut off from the cluster for ${Math.round(silentMs / 100) / 10} s`
      endShip(crew, grant, { why: 'given-back', reason })
    }
  })
}
