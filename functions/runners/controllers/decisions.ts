// Decisions: what controllers decided on ships, on its way to the ApiServer.
import { answerOf } from '../../../shared/api/client.ts'
import type { Decision } from '../../../shared/api/moves.ts'
import type { Office } from './office.ts'

const decisionsInCall = 500

/** Sends decisions in batches. Ships that moved on meanwhile are left alone. @throws ArmadaError. */
export async function sendDecisions(decisions: readonly Decision[], office: Office): Promise<void> {
  const { client, epoch, log, signal } = office
  for (let i = 0; i < decisions.length; i += decisionsInCall) {
    const batch = decisions.slice(i, i + decisionsInCall)
    const json = { epoch, decisions: batch }
    const { moved, stale } = await answerOf(
      client.v1.controllers.decisions.$post({ json }, { init: { signal } }),
    )
    const to = [...new Set(batch.map((decision) => decision.to))]
    log.info({ to, moved: moved.length, stale: stale.length, first: batch[0]?.ship }, 'ships were moved')
  }
}
