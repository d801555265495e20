// The ships that the agent's benchmarks run: how they are asked for, and when they are Ready or gone.
import { answerOf } from '../../../shared/api/client.ts'
import type { BlueprintSpec } from '../../../shared/model/blueprint.ts'
import type { ShipView } from '../../../shared/model/ship.ts'
import { isFinished } from '../../../shared/model/shipState.ts'
import { each } from '../../../shared/zookeeper/persistence.ts'
import { agonesGamePackages } from '../../harness/agonesGame.ts'
import type { Cluster } from '../../harness/cluster.ts'
import { importNodeImage } from '../../harness/nodeImage.ts'

type Spec = Partial<BlueprintSpec> & { image: string }

const sdkImage = 'armada-bench/agones:1'

/** With the official SDK, unmodified: Ready at once, and a ping every 2 s as in Agones' own examples. */
const sdkGame = `
const AgonesSDK = require('@google-cloud/agones-sdk')
const sdk = new AgonesSDK()
process.on('SIGTERM', () => process.exit(0))
process.on('unhandledRejection', (error) => { console.log(error); process.exit(1) })
sdk.connect().then(() => sdk.ready()).then(() => setInterval(() => sdk.health(() => undefined), 2_000))
`

export async function putBlueprint({ client }: Cluster, blueprint: string, json: Spec): Promise<void> {
  await answerOf(client.v1.blueprints[':blueprint'].$put({ param: { blueprint }, json: json as never }))
}

/** A blueprint whose ships speak the SDK on their own network. */
export async function putSdkGame(cluster: Cluster, blueprint: string): Promise<void> {
  const { engine } = cluster.docker
  await importNodeImage(engine, sdkImage, { script: sdkGame, packages: agonesGamePackages })
  const ports = [{ name: 'game', containerPort: 7_777, protocol: 'udp' }]
  const resources = { cpuMillis: 50, memoryMiB: 128 }
  // A start of Node takes its second or two when a hundred of them share two cores.
  const limits = { cpu: 'shares' }
  const probe = { type: 'sdk', startLimitMs: 300_000 }
  const lifecycle = { graceMs: 5_000 }
  const spec = { image: sdkImage, ports, resources, limits, probe, lifecycle }
  await putBlueprint(cluster, blueprint, spec as never)
}

/** Makes them with one POST. @returns their ids. */
export async function post({ client }: Cluster, blueprint: string, count: number): Promise<string[]> {
  const { ships } = await answerOf(client.v1.ships.$post({ json: { blueprint, count }, header: {} }))
  return ships.map(({ id }) => id)
}

/** Resolves with the ships when all of them are Ready. @throws when one of them ended, or it took too long. */
export async function ready(cluster: Cluster, ids: readonly string[], limitMs: number): Promise<ShipView[]> {
  const wanted = new Set(ids)
  const seen = await cluster.until(`${ids.length} ships Ready`, limitMs, async () => {
    const mine = (await live(cluster)).filter(({ id }) => wanted.has(id))
    const isSettled = mine.length < ids.length || mine.every(({ state }) => state === 'Ready')
    return isSettled && mine
  })
  for (const { id } of seen) wanted.delete(id)
  const [ended] = wanted
  if (ended === undefined) return seen
  const ship = await answerOf(cluster.client.v1.ships[':ship'].$get({ param: { ship: ended } }))
  throw new Error(`${wanted.size} ships ended before they were Ready, such as ${JSON.stringify(ship)}`)
}

/** Stops them as a person would, and resolves when the records of all have ended. */
export async function end(cluster: Cluster, ids: readonly string[], limitMs: number): Promise<void> {
  const { client } = cluster
  await each(ids, 8, async (ship) => {
    await answerOf(client.v1.ships[':ship'].$delete({ param: { ship }, header: {} }))
  })
  await cluster.until(`${ids.length} ships ended`, limitMs, async () => (await live(cluster)).length === 0)
}

async function live({ client }: Cluster): Promise<ShipView[]> {
  const state = 'Queued,Scheduled,Starting,Ready,Reserved,Allocated,Unhealthy,Stopping,Lost'
  const { ships } = await answerOf(client.v1.ships.$get({ query: { state, limit: '1000' } }))
  return ships.filter((ship) => !isFinished(ship.state))
}
