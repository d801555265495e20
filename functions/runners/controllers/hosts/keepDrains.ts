// Drains: empties hosts that are to be, step by step.
//
// INVARIANTS
// - Every step names the revision of the host it was decided on; after the drain was called off it is refused.
// - Ships in use are asked to go only when the ApiServer calls the drain overdue.
import { answerOf } from '../../../../shared/api/client.ts'
import type { DrainStep, DrainView } from '../../../../shared/api/drains.ts'
import { ArmadaError, messageOf } from '../../../../shared/errors.ts'
import { isSpared } from '../../../../shared/model/shipState.ts'
import { each } from '../../../../shared/zookeeper/persistence.ts'
import { isDeposed, ledLoop } from '../../ledLoop.ts'
import type { Office } from '../office.ts'

const everyMs = 1_000
const hostsAtOnce = 4
const shipsInStep = 100

export async function keepDrains(office: Office): Promise<void> {
  const { client, log, signal } = office
  await ledLoop({ name: 'drains', everyMs, signal, log }, async () => {
    const { drains } = await answerOf(client.v1.controllers.drains.$get({}, { init: { signal } }))
    await each(drains, hostsAtOnce, async (drain) => {
      try {
        await step(drain, office)
      } catch (error) {
        if (isDeposed(error)) throw error
        const calledOff = error instanceof ArmadaError && error.code === 'revision_mismatch'
        if (calledOff) log.debug({ host: drain.host }, 'the host has changed; next turn again')
        else log.warn({ host: drain.host, error: messageOf(error) }, 'a drain waits; next turn again')
      }
    })
  })
}

/** Who leaves next: those that a fleet replaces are stopped, the others moved. */
export function leavingOf({ overdue, ships }: Pick<DrainView, 'overdue' | 'ships'>) {
  const leaving: Pick<DrainStep, 'stop' | 'move'> = { stop: [], move: [] }
  for (const one of ships) {
    const { id: ship, attempt, fleet } = one
    if (isSpared(one) && !overdue) continue
    // A session ends with its ship: to begin it again elsewhere, empty, would serve nobody.
    const kind = fleet === null && !isSpared(one) ? leaving.move : leaving.stop
    if (kind.length < shipsInStep) kind.push({ ship, attempt })
  }
  return leaving
}

async function step(drain: DrainView, { client, epoch, log, signal }: Office): Promise<void> {
  const { host, revision } = drain
  const { stop, move } = leavingOf(drain)
  if (stop.length + move.length === 0) return
  const sent = { param: { host }, json: { epoch, revision, stop, move } }
  const request = client.v1.controllers.drains[':host'].steps.$post(sent, { init: { signal } })
  const { leaving } = await answerOf(request)
  log.info({ host, leaving: leaving.length, overdue: drain.overdue }, 'ships leave a host that is drained')
}
