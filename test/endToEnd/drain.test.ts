// A host is emptied and taken out, with real containers: no ship runs twice, and its agent ends by itself.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { idle, imageOf } from '../../infra/quickstart/games.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { Cluster } from '../harness/cluster.ts'

const test = suite('drain')
let cluster: Cluster

test.before(async () => {
  cluster = await Cluster.start([idle])
  await Promise.all([cluster.addHost('host-a'), cluster.addHost('host-b')])
  await answerOf(
    cluster.client.v1.blueprints[':blueprint'].$put({
      param: { blueprint: 'idle' },
      json: {
        image: imageOf(idle),
        resources: { cpuMillis: 10, memoryMiB: 16 },
        placement: { strategy: 'distributed' },
        lifecycle: { graceMs: 1_000 },
      },
    }),
  )
})

test.after(() => cluster?.stop())

test('a drain moves what runs, nothing runs twice meanwhile, and the removed agent stays away', async () => {
  const { v1 } = cluster.client
  await answerOf(v1.fleets.$post({ json: { name: 'lobby', blueprint: 'idle', replicas: 4 } }))
  await answerOf(v1.ships.$post({ json: { blueprint: 'idle', count: 4 }, header: {} }))
  const readyOn = async (host?: string) =>
    (await cluster.ships()).filter((ship) => ship.state === 'Ready' && (!host || ship.host === host))
  await cluster.until('8 ships are Ready', 40_000, async () => (await readyOn()).length === 8)
  assert.ok((await readyOn('host-a')).length > 0)

  let watching = true
  let most = 0
  const watch = (async () => {
    while (watching) {
      const counts = new Map<string, number>()
      for (const { Labels } of await cluster.containers()) {
        const ship = Labels['armada.ship'] ?? ''
        counts.set(ship, (counts.get(ship) ?? 0) + 1)
      }
      most = Math.max(most, ...counts.values())
    }
  })()
  try {
    await answerOf(v1.hosts[':host'].drain.$post({ param: { host: 'host-a' }, json: {} }))
    await cluster.until('host-a is drained, and 8 ships run on host-b', 40_000, async () => {
      const { drain } = await answerOf(v1.hosts[':host'].$get({ param: { host: 'host-a' } }))
      return drain?.state === 'Drained' && (await readyOn('host-b')).length === 8
    })
  } finally {
    watching = false
    await watch
  }
  assert.equal(most, 1, 'a ship ran twice')
  const alone = (await cluster.ships()).filter((ship) => ship.fleet === null)
  assert.equal(alone.length, 4)

  await answerOf(v1.hosts[':host'].$delete({ param: { host: 'host-a' }, query: {} }))
  const agent = cluster.agents.get('host-a')
  await cluster.until('its agent has ended', 10_000, async () => agent?.pid === undefined)
  const zk = await ZooKeeper.connect({
    servers: cluster.stack.zookeeper.address,
    secret: 'test-zookeeper-secret',
    log: createLog('test', 'silent'),
  })
  try {
    for (const path of [paths.worker('host-a'), paths.advisor('host-a')])
      assert.equal(await zk.exists(path), undefined, path)
    await assert.rejects(agent?.restart() ?? Promise.resolve())
    assert.equal(await zk.exists(paths.worker('host-a')), undefined, 'it came back')
  } finally {
    await zk.close()
  }
})

test.run()
