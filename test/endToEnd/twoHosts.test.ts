// Two agents with different ids on one dockerd are two hosts; when one is gone for good, its ships move.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { connectEtcd } from '../../functions/stores/etcd/etcd.ts'
import { idle, imageOf } from '../../infra/quickstart/games.ts'
import { answerOf } from '../../shared/api/client.ts'
import { Cluster } from '../harness/cluster.ts'

const test = suite('two hosts')
const fleet = 'lobby'
const replicas = 6
let cluster: Cluster

test.before(async () => {
  cluster = await Cluster.start([idle])
  // A restart of an agent meets a credential that was replaced many times since it joined.
  await Promise.all(['host-a', 'host-b'].map((id) => cluster.addHost(id, { credentialMs: 1_000 })))
  await answerOf(
    cluster.client.v1.blueprints[':blueprint'].$put({
      param: { blueprint: 'idle' },
      json: {
        image: imageOf(idle),
        ports: [{ name: 'game', containerPort: 7777 }],
        resources: { cpuMillis: 10, memoryMiB: 16 },
        placement: { strategy: 'distributed' },
        lifecycle: { graceMs: 1_000, hostLost: { afterMs: 5_000 } },
      },
    }),
  )
  await answerOf(cluster.client.v1.fleets.$post({ json: { name: fleet, blueprint: 'idle', replicas } }))
})

test.after(async () => {
  await cluster?.stop()
})

/** Ship -> attempt of every running container of a host. */
async function containersOf(host: string): Promise<Map<string, number>> {
  const lines = (await cluster.containers()).filter((line) => line.Labels['armada.host'] === host)
  return new Map(
    lines.map((line) => [line.Labels['armada.ship'] ?? '', Number(line.Labels['armada.attempt'])]),
  )
}

test('the ships spread over both hosts, each host with its own containers', async () => {
  const ships = await cluster.fleetReady(fleet, replicas, 30_000)
  for (const host of ['host-a', 'host-b']) {
    const its = ships.filter((ship) => ship.host === host).map((ship) => ship.id)
    assert.equal(its.length, replicas / 2)
    assert.deepEqual([...(await containersOf(host)).keys()].sort(), its.sort())
  }
})

test('an agent is killed for good: its ships run on the other host with a higher attempt; when it comes back its leftovers go', async () => {
  const moved = (await cluster.ships({ fleet, host: 'host-a' })).map((ship) => ship.id)
  await cluster.agents.get('host-a')?.kill()
  const ships = await cluster.until('all ships run on host-b', 40_000, async () => {
    const all = await cluster.ships({ fleet })
    return (
      all.length === replicas && all.every((ship) => ship.host === 'host-b' && ship.state === 'Ready') && all
    )
  })
  for (const ship of ships) assert.equal(ship.attempt, moved.includes(ship.id) ? 2 : 1, ship.id)
  const onB = await containersOf('host-b')
  for (const ship of ships) assert.equal(onB.get(ship.id), ship.attempt)
  assert.equal(
    (await containersOf('host-a')).size,
    moved.length,
    'nobody but its own agent touches the containers of a host',
  )

  await cluster.agents.get('host-a')?.restart()
  await cluster.until('the leftovers are gone', 30_000, async () => (await containersOf('host-a')).size === 0)
  assert.equal((await containersOf('host-b')).size, replicas)
})

test('the agents go on replacing their credentials, also the one that came back', async () => {
  const kv = connectEtcd(cluster.stack.etcd.address)
  const digestOf = async (host: string) =>
    JSON.parse((await kv.get(`/armada/hosts/${host}`))?.value ?? '{}').credentialDigest
  try {
    for (const host of ['host-a', 'host-b']) {
      const before = await digestOf(host)
      await cluster.until(`${host} has another`, 30_000, async () => (await digestOf(host)) !== before)
    }
  } finally {
    kv.close()
  }
})

test('an agent that is told to return its ships when it stops leaves nothing behind', async () => {
  await cluster.addHost('host-c', { onStop: 'return' })
  await answerOf(
    cluster.client.v1.fleets[':fleet'].$patch({ param: { fleet }, json: { replicas: 9 }, header: {} }),
  )
  await cluster.fleetReady(fleet, 9, 30_000)
  const moved = (await cluster.ships({ fleet, host: 'host-c' })).map((ship) => ship.id)
  assert.ok(moved.length > 0)
  await cluster.agents.get('host-c')?.stop()
  assert.equal((await containersOf('host-c')).size, 0)
  const ships = await cluster.fleetReady(fleet, 9, 30_000)
  for (const ship of ships) assert.notEqual(ship.host, 'host-c')
  const all = await cluster.containers()
  assert.equal(new Set(all.map((line) => line.Labels['armada.ship'])).size, 9)
  assert.equal(all.length, 9)
})

test.run()
