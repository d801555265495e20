// A fleet without controllers and agents: its ships are made, claimed and Ready as these would have it.
import { answerOf, type Client } from '../../shared/api/client.ts'
import type { ApiServer } from './apiServer.ts'
import { claim, report } from './twoServers.ts'

/** @param counts so many ships on each host. @returns their ids. */
export async function fleetAboard(
  { admin, runner, lead }: Pick<ApiServer, 'admin' | 'runner' | 'lead'>,
  { name, blueprint }: { name: string; blueprint: string },
  ...counts: [host: Client, ships: number][]
): Promise<string[]> {
  const replicas = counts.reduce((sum, [, count]) => sum + count, 0)
  await answerOf(admin.v1.fleets.$post({ json: { name, blueprint, replicas } }))
  const epoch = await lead('controllers')
  const { revision } = await answerOf(admin.v1.fleets[':fleet'].$get({ param: { fleet: name } }))
  const step = { epoch, revision, create: replicas, stop: [], forget: false }
  const made = await answerOf(runner.v1.fleets[':fleet'].steps.$post({ param: { fleet: name }, json: step }))
  const ids = [...made.created]
  for (const [host, count] of counts) {
    const some = ids.splice(0, count).map((ship) => ({ ship, attempt: 1 }))
    await claim(host, some)
    await report(host, ...some.map((of) => ({ ...of, state: 'Ready' as const })))
  }
  return made.created
}
