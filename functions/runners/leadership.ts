// Leadership: an office that was won in ZooKeeper and taken with the ApiServers, under the epoch they gave.
import { answerOf, type Client } from '../../shared/api/client.ts'
import type { OfficeName } from '../../shared/api/offices.ts'
import { ArmadaError, messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { backoffMs, sleep } from '../../shared/loop.ts'
import type { Leadership as Won } from '../../shared/zookeeper/election.ts'

export interface Leadership {
  /** Goes with every write. */
  epoch: number
  /** Fires when leadership has ended, or may have. */
  signal: AbortSignal
}

/**
 * Tells the ApiServers that this office was won, for as long as it takes them to answer.
 * @throws ArmadaError conflict when they see another leader; the signal's reason.
 */
export async function takeOffice(
  office: OfficeName,
  { node, signal }: Pick<Won, 'node' | 'signal'>,
  { client, log }: { client: Client; log: Log },
): Promise<Leadership> {
  for (let tries = 0; ; tries++) {
    try {
      const request = client.v1.offices[':office'].$put(
        { param: { office }, json: { node } },
        { init: { signal } },
      )
      const { epoch } = await answerOf(request)
      log.info({ node, epoch }, 'the office is taken')
      return { epoch, signal }
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ArmadaError && error.retryable)) throw error
      log.warn({ node, error: messageOf(error) }, 'the office cannot be taken yet; trying again')
      await sleep(backoffMs(tries, 100, 2_000), signal)
    }
  }
}
