// Offices in tests that play the leader themselves, without standing for election.
import { answerOf, type Client } from '../../shared/api/client.ts'
import type { OfficeName } from '../../shared/api/offices.ts'
import type { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { elections } from '../../shared/zookeeper/paths.ts'

/** Ends whoever leads, and takes the office. @returns the epoch. */
export async function takeOver(zk: ZooKeeper, office: OfficeName, { v1 }: Client): Promise<number> {
  const path = elections[office]
  await zk.ensurePath(path)
  for (const name of (await zk.children(path)) ?? []) await zk.delete(`${path}/${name}`)
  const created = await zk.create(`${path}/c-`, 'test', 'ephemeral_sequential')
  return takeWith(created.slice(path.length + 1), office, { v1 })
}

/** Takes the office as the candidate with this node. */
export async function takeWith(
  node: string,
  office: OfficeName,
  { v1 }: Pick<Client, 'v1'>,
): Promise<number> {
  const { epoch } = await answerOf(v1.offices[':office'].$put({ param: { office }, json: { node } }))
  return epoch
}
