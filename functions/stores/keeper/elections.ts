// Elections as the ApiServer sees them: it looks who leads, and takes no part.
import type { OfficeName } from '../../../shared/api/offices.ts'
import { ArmadaError, messageOf } from '../../../shared/errors.ts'
import { within } from '../../../shared/loop.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { leaderOf } from '../../../shared/zookeeper/election.ts'
import { elections } from '../../../shared/zookeeper/paths.ts'

const askLimitMs = 2_000

/**
 * The node of the office's leader, as the majority of ZooKeeper knows it at the time of the question.
 * @throws ArmadaError unavailable.
 */
export type LeaderOf = (office: OfficeName) => Promise<string | undefined>

export function leadersIn(zk: ZooKeeper): LeaderOf {
  return async (office) => {
    const late = () => new Error(`no answer within ${askLimitMs} ms`)
    try {
      return await within(leaderOf(zk, elections[office]), askLimitMs, late)
    } catch (error) {
      throw new ArmadaError(
        'unavailable',
        `ZooKeeper does not say who leads (${messageOf(error)}). Nothing was changed; try again.`,
        { cause: error, retryAfterSeconds: 1 },
      )
    }
  }
}
