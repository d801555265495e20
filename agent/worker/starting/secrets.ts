// The secrets of a ship that is about to start: asked for with its attempt, and put where its container finds them.
import { answerOf } from '../../../shared/api/client.ts'
import { ArmadaError, messageOf } from '../../../shared/errors.ts'
import { pauseAfter } from '../../../shared/loop.ts'
import type { Grant } from '../../../shared/model/grant.ts'
import { about } from '../../roster.ts'
import type { Crew } from '../crew.ts'

/** False when an ending was decided first. @throws Error when a secret is not to be had. */
export async function hasSecrets(crew: Crew, grant: Grant): Promise<boolean> {
  const { api, roster, secretFiles, signal, log } = crew
  if (grant.spec.secrets.length === 0) return true
  const { ship, attempt } = grant
  for (let failures = 0; !roster.at(grant)?.ending && !signal.aborted; failures++) {
    try {
      const request = api.v1.monitor.ships[':ship'].secrets.$post({ param: { ship }, json: { attempt } })
      const { values } = await answerOf(request)
      await secretFiles.put(grant, values)
      return true
    } catch (error) {
      if (!(error instanceof ArmadaError && error.retryable)) throw error
      log.warn({ ...about(grant), error: messageOf(error) }, 'its secrets are asked for again')
      await pauseAfter(failures, 100, 3_000, signal)
    }
  }
  return false
}
