// What the scheduler is told of a ship that was to grow and does not, whichever ApiServers hear of it, and when.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { Advice } from '../../shared/model/holding.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { claim, joinHost, publish, report, startTwoServers, type TwoServers } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('growth')
const resources = (memoryMiB: number) => ({ cpuMillis: 100, memoryMiB })
const refused = ({ ship }: Scene) => ({ resized: [{ ship, attempt: 1, n: 1, refused: 'no room' }] })
let servers: TwoServers
let zk: ZooKeeper
let epoch: number

test.before(async () => {
  servers = await startTwoServers({ balanced: false })
  const { address } = servers.stack.zookeeper
  zk = await ZooKeeper.connect({ servers: address, log: createLog('test', 'silent') })
  epoch = await servers.a.lead('controllers')
})

test.after(async () => {
  await zk?.close()
  await servers?.stop()
})

interface Scene {
  ship: string
  host: string
  /** Its host's agent, at either ApiServer. */
  agent: [Client, Client]
  /** The first ApiServer carries the fleet's change out, as the controllers have it do. */
  grow(): Promise<void>
}

/** A ship of 1000 MiB that both ApiServers know of, and whose fleet has a revision with 1300. */
async function sceneOf(name: string): Promise<Scene> {
  const { a, b } = servers
  for (const memoryMiB of [1_000, 1_300]) await publish(a, name, { resources: resources(memoryMiB) })
  const fleets = a.admin.v1.fleets
  const param = { fleet: name }
  await answerOf(fleets.$post({ json: { name, blueprint: name, revision: 1, replicas: 1 } as never }))
  const step = async (more: object) => {
    const { revision } = await answerOf(fleets[':fleet'].$get({ param }))
    const json = { epoch, revision, create: 0, stop: [], forget: false, ...more }
    return answerOf(a.runner.v1.fleets[':fleet'].steps.$post({ param, json }))
  }
  const [ship = ''] = (await step({ create: 1 })).created
  const host = `${name}-host`
  const { client, credential } = await joinHost(a, host, { resizes: true })
  const agent: [Client, Client] = [client, b.as(credential)]
  await claim(client, [{ ship, attempt: 1 }])
  await report(client, { ship, attempt: 1, state: 'Ready' })
  for (const one of agent) await holds(one, ship, 1_000)
  await until(() => b.stores.ships.table.get(ship)?.value.state === 'Ready', 30_000)
  const grow = async () => {
    await answerOf(fleets[':fleet'].$patch({ param, json: { revision: 2 } as never, header: {} }))
    await step({ relabel: true })
  }
  return { ship, host, agent, grow }
}

/** Of a ship that is as it was placed the scheduler hears only beside other news. */
const measured = { cpuMillis: 1, memoryMiB: 1, load1: 1, diskFreeMiB: 1, degraded: 'its disk is full' }

/** The agent says what its ship takes. */
async function holds(agent: Client, ship: string, memoryMiB: number, more: object = {}): Promise<void> {
  const fleet = ship.split('-')[0] as string
  const holding = { ship, attempt: 1, fleet, hostPorts: [], resources: resources(memoryMiB) }
  const json = { changes: [], holdings: [holding], anew: false, host: measured, ships: [], ...more }
  const { resendHoldings } = await answerOf(agent.v1.monitor.reports.$post({ json }))
  assert.equal(resendHoldings, false)
}

async function advised({ host, ship }: Scene): Promise<number | undefined> {
  const { holdings } = Advice.parse(JSON.parse(String((await zk.get(paths.advisor(host)))?.data)))
  return holdings.find((one) => one.ship === ship)?.resources.memoryMiB
}

test('refused at an ApiServer that did not hear of the growth: the scheduler forgets it', async () => {
  const scene = await sceneOf('forgotten')
  await scene.grow()
  assert.equal(await advised(scene), 1_300)
  await holds(scene.agent[1], scene.ship, 1_000, refused(scene))
  assert.equal(await advised(scene), 1_000)
})

test('refused while an ApiServer is about to tell of the growth: it finds out, and takes it back', async () => {
  const scene = await sceneOf('overtaken')
  const { hostNodes } = servers.a.stores
  const show = hostNodes.show.bind(hostNodes)
  let shown = 0
  hostNodes.show = async (host, holdings) => {
    if (shown++ === 0) await holds(scene.agent[1], scene.ship, 1_000, refused(scene))
    await show(host, holdings)
  }
  try {
    await scene.grow()
  } finally {
    hostNodes.show = show
  }
  assert.equal(shown, 2)
  assert.equal(await advised(scene), 1_000)
})

test('reported to an ApiServer whose memory shows the growth as pending still: it looks before it counts it', async () => {
  const scene = await sceneOf('late')
  await scene.grow()
  const { mirror, ships } = servers.b.stores
  await until(() => ships.table.get(scene.ship)?.value.resize?.state === 'pending', 30_000)
  const pending = ships.table.get(scene.ship)
  await holds(scene.agent[0], scene.ship, 1_000, refused(scene))
  const get = ships.table.get.bind(ships.table)
  const catchUp = mirror.catchUp.bind(mirror)
  let isLate = true
  ships.table.get = (id) => (isLate && id === scene.ship ? pending : get(id))
  mirror.catchUp = async (limitMs) => {
    await catchUp(limitMs)
    isLate = false
  }
  try {
    await holds(scene.agent[1], scene.ship, 1_000)
  } finally {
    ships.table.get = get
    mirror.catchUp = catchUp
  }
  assert.equal(await advised(scene), 1_000)
})

test.run()
