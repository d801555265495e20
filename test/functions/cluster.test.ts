// The cluster at a glance: sums, leaders, and the health of each store, also while one is away.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { clusterText } from '../../infra/cli/clusterText.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { stand } from '../../shared/zookeeper/election.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { boardShips, joinHost, publish, startTwoServers, type TwoServers } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('cluster')
const log = createLog('test', 'silent')
const stopping = new AbortController()
const standing: Promise<void>[] = []
let servers: TwoServers
let zk: ZooKeeper

const cluster = () => answerOf(servers.a.admin.v1.cluster.$get())

/** Stands for election as a runner does, and only leads. */
function candidate(path: string, id: string): void {
  const options = { id, signal: stopping.signal, log }
  const lead = (signal: AbortSignal) =>
    new Promise<void>((done) => signal.addEventListener('abort', () => done()))
  standing.push(stand(zk, path, options, ({ signal }) => lead(signal)))
}

test.before(async () => {
  servers = await startTwoServers()
  zk = await ZooKeeper.connect({ servers: servers.stack.zookeeper.address, log })
  await publish(servers.a, 'arena', { resources: { cpuMillis: 250, memoryMiB: 100 } })
})
test.after(async () => {
  stopping.abort()
  await Promise.all(standing)
  await zk?.close()
  await servers?.stop()
})

test('hosts, ships, fleets and what they take are summed up', async () => {
  const { client } = await joinHost(servers.a, 'north')
  await joinHost(servers.a, 'south')
  await boardShips(servers.a, client, 3)
  await answerOf(
    servers.b.admin.v1.fleets.$post({ json: { name: 'lobby', blueprint: 'arena', replicas: 7 } }),
  )
  const seen = await cluster()
  assert.deepEqual(seen.capacity, { cpuMillis: 8_000, memoryMiB: 8_192 })
  assert.deepEqual(seen.used, { cpuMillis: 750, memoryMiB: 300 })
  assert.deepEqual(seen.fleets, { count: 1, replicas: 7, ready: 0 })
  assert.equal(seen.ships.Ready, 3)
  assert.ok(Number(seen.apiServer.revision) > 0)
  assert.deepEqual([seen.apiServer.version, seen.apiServer.staleMs], ['test', null])
  for (const { ok, latencyMs } of Object.values(seen.stores)) assert.ok(ok && latencyMs !== null)
})

test('room is counted where ships can go: not on hosts that are silent, degraded or cordoned', async () => {
  const { admin } = servers.a
  const cordon = (host: string) =>
    answerOf(admin.v1.hosts[':host'].cordon.$post({ param: { host }, json: { reason: '' } }))
  const { client } = await joinHost(servers.a, 'east')
  await Promise.all(['north', 'south'].map(cordon))
  const roomOn = async () => (await cluster()).allocatable.cpuMillis
  const say = async (degraded: string | null) => {
    const host = { cpuMillis: 1, memoryMiB: 1, load1: 0, diskFreeMiB: null, degraded }
    await answerOf(
      client.v1.monitor.reports.$post({ json: { changes: [], holdings: null, host, ships: [] } }),
    )
  }
  assert.equal(await roomOn(), 0)
  await say(null)
  await until(async () => (await roomOn()) === 4_000)
  await say('the disk is full')
  await until(async () => (await roomOn()) === 0)
  await say(null)
  await until(async () => (await roomOn()) === 4_000)
  await cordon('east')
  assert.equal(await roomOn(), 0)
  assert.equal((await cluster()).capacity.cpuMillis, 12_000)
})

test('leaders are named with their epochs, and ZooKeeper is asked seldom', async () => {
  candidate(paths.schedulerElection, 'runner-1-4021')
  await until(async () => (await zk.children(paths.schedulerElection))?.length === 1)
  candidate(paths.schedulerElection, 'runner-2-17')
  await until(async () => (await zk.children(paths.schedulerElection))?.length === 2)
  const [first = ''] = ((await zk.children(paths.schedulerElection)) ?? []).sort((x, y) =>
    x.slice(-10) < y.slice(-10) ? -1 : 1,
  )
  const epoch = await servers.direct[0].stores.epochs.take('scheduler', first)
  // Each server keeps an answer of its own for a while.
  let seen = (await cluster()).leaders
  await until(async () => {
    seen = (await cluster()).leaders
    return seen.scheduler?.standbys === 1 && seen.scheduler.epoch !== null
  }, 30_000)
  const { scheduler, controllers } = seen
  assert.deepEqual(
    [scheduler?.name, scheduler?.machine, scheduler?.pid],
    ['runner-1-4021', 'runner-1', 4_021],
  )
  assert.equal(scheduler?.epoch, epoch)
  assert.equal(controllers, null)
  const { leaders } = servers.direct[0].stores
  const [one, two] = await Promise.all([leaders.read(), leaders.read()])
  assert.equal(one, two)
})

test('while Redis is away the cluster is shown all the same, and says so', async () => {
  const { redis } = servers.stack
  await redis.stop()
  try {
    await until(async () => !(await cluster()).stores.redis.ok)
    const seen = await cluster()
    assert.equal(seen.hosts, null)
    assert.equal(seen.ships.Ready, 3)
    assert.ok(seen.stores.etcd.ok && !seen.stores.redis.ok && seen.stores.redis.detail)
    assert.match(clusterText(seen), /redis\s+does not answer/)
  } finally {
    await redis.restart()
  }
  await until(async () => (await cluster()).stores.redis.ok, 30_000)
})

test.run()
