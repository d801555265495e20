// Limits of running ships are changed with real containers: nothing of them ends, and what does not fit is replaced.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { askEngine } from '../../infra/stack/engine.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import { answerOf } from '../../shared/api/client.ts'
import type { ShipView } from '../../shared/model/ship.ts'
import { image, importBusybox } from '../agent/dock.ts'
import { Cluster } from '../harness/cluster.ts'

const test = suite('limits')
const MiB = 1024 * 1024
const fleet = 'lobby'
const patienceMs = 60_000
let cluster: Cluster
let scratch: Scratch

const publish = (name: string, memoryMiB: number, more: object = {}) =>
  answerOf(
    cluster.client.v1.blueprints[':blueprint'].$put({
      param: { blueprint: name },
      json: {
        ...{ image, command: ['sleep', '100000'], resources: { cpuMillis: 100, memoryMiB } },
        ...{ lifecycle: { graceMs: 500 }, ...more },
      },
    }),
  )
const goTo = (name: string, revision: number) =>
  answerOf(
    cluster.client.v1.fleets[':fleet'].$patch({ param: { fleet: name }, json: { revision }, header: {} }),
  )
const fleetNamed = (name: string) =>
  answerOf(cluster.client.v1.fleets[':fleet'].$get({ param: { fleet: name } }))
const rolledOut = (revision: number) =>
  cluster.until(`revision ${revision} is rolled out`, patienceMs, async () => {
    const { rollout } = await fleetNamed(fleet)
    return rollout?.state === 'done' && rollout.to === revision && rollout
  })
const live = async (name: string) =>
  (await cluster.ships({ fleet: name })).filter(({ state }) => !['Stopped', 'Failed'].includes(state))

interface Container {
  Id: string
  State: { StartedAt: string; Running: boolean }
  HostConfig: { Memory: number; MemorySwap: number; CpuQuota: number; CpuShares: number; PidsLimit: number }
}

/** Its container, which is of its first attempt. */
async function containerOf({ id }: Pick<ShipView, 'id'>): Promise<Container> {
  const { body } = await askEngine(cluster.docker.engine, { path: `/containers/armada-${id}-1/json` })
  return JSON.parse(body) as Container
}
const lives = async (ships: readonly ShipView[]) =>
  (await Promise.all(ships.map(containerOf))).map(({ Id, State }) => [Id, State])
const memoriesOf = async (ships: readonly ShipView[]) =>
  (await Promise.all(ships.map(containerOf))).map(({ HostConfig }) => HostConfig.Memory / MiB)

test.before(async () => {
  scratch = await scratchDir('disk')
  cluster = await Cluster.start([])
  await importBusybox(cluster.docker, scratch)
  await cluster.addHost('host-a', { memoryMiB: 1_000 })
  await publish(fleet, 100)
  await answerOf(cluster.client.v1.fleets.$post({ json: { name: fleet, blueprint: fleet, replicas: 2 } }))
  await cluster.fleetReady(fleet, 2, patienceMs)
  const json = { selectors: [{ fleet }] }
  await answerOf(cluster.client.v1.allocations.$post({ json, header: {} }))
})

test.after(async () => {
  await cluster?.stop()
  await scratch?.remove()
})

test('memory, CPU and processes: the same containers, one of them Allocated', async () => {
  const ships = await live(fleet)
  const before = await lives(ships)
  await publish(fleet, 200, { resources: { cpuMillis: 250, memoryMiB: 200 }, limits: { pids: 99 } })
  await goTo(fleet, 2)
  assert.deepEqual((await rolledOut(2)).resized, { done: 2, pending: 0, refused: 0 })
  const now = await live(fleet)
  assert.deepEqual(now.map(({ state }) => state).sort(), ['Allocated', 'Ready'])
  assert.deepEqual(await lives(ships), before)
  for (const ship of now) {
    assert.deepEqual([ship.attempt, ship.blueprint.revision, ship.resources.memoryMiB], [1, 2, 200])
    const { Memory, MemorySwap, CpuQuota, CpuShares, PidsLimit } = (await containerOf(ship)).HostConfig
    assert.deepEqual(
      [Memory, MemorySwap, CpuQuota, CpuShares, PidsLimit],
      [200 * MiB, 200 * MiB, 25_000, 256, 99],
    )
  }
})

test('kill -9 of the agent, before it heard of it and after: the limits are those of the record', async () => {
  const ships = await live(fleet)
  const before = await lives(ships)
  const agent = cluster.agents.get('host-a')
  await publish(fleet, 300, { limits: { cpu: 'shares' } })
  await agent?.kill()
  await goTo(fleet, 3)
  await cluster.until('they are pending', patienceMs, async () =>
    (await live(fleet)).every(({ resize }) => resize?.state === 'pending' && resize.to === 3),
  )
  assert.deepEqual(await memoriesOf(ships), [200, 200])
  await agent?.restart()
  await rolledOut(3)
  assert.deepEqual(await memoriesOf(ships), [300, 300])
  await agent?.kill()
  await agent?.restart()
  await cluster.until(
    'the agent is back',
    patienceMs,
    async () => cluster.logOf('agent-host-a').filter(({ msg }) => msg === 'ship adopted').length >= 4,
  )
  assert.deepEqual(await memoriesOf(ships), [300, 300])
  assert.deepEqual(await lives(ships), before)
  for (const ship of await live(fleet)) {
    assert.deepEqual([ship.attempt, ship.resources.memoryMiB, ship.resize?.state], [1, 300, 'done'])
    assert.ok((await containerOf(ship)).HostConfig.CpuQuota <= 0, 'no quota')
  }
})

test('less memory than it uses: it keeps what it has, and its session goes on', async () => {
  const name = 'full'
  const fills = 'dd if=/dev/zero of=/data/x bs=1048576 count=60 && echo it is full; exec sleep 100000'
  const more = { command: ['sh', '-c', fills], tmpfs: [{ path: '/data', sizeMiB: 64 }] }
  const probe = { type: 'log', pattern: 'it is full' }
  await publish(name, 100, { ...more, probe })
  await publish(name, 65, { ...more, probe })
  await answerOf(
    cluster.client.v1.fleets.$post({ json: { name, blueprint: name, revision: 1, replicas: 1 } }),
  )
  await cluster.fleetReady(name, 1, patienceMs)
  const json = { selectors: [{ fleet: name }] }
  await answerOf(cluster.client.v1.allocations.$post({ json, header: {} }))
  const [ship] = await live(name)
  assert.ok(ship)
  const before = await lives([ship])
  await goTo(name, 2)
  const kept = await cluster.until('its host refuses', patienceMs, async () => {
    const [now] = await live(name)
    return now?.resize?.state === 'refused' && now
  })
  assert.match(kept.resize?.reason ?? '', /it uses \d+ MiB of memory, too much for a limit of 65 MiB/)
  assert.deepEqual([kept.id, kept.state, kept.resources.memoryMiB], [ship.id, 'Allocated', 100])
  assert.deepEqual(await lives([ship]), before)
  assert.deepEqual(await memoriesOf([ship]), [100])
})

test('a growth for which its host has no room waits for a place elsewhere, and keeps what it has until then', async () => {
  const ships = await live(fleet)
  await publish(fleet, 700)
  await goTo(fleet, 4)
  await cluster.until('a ship of the new size finds no room', patienceMs, async () =>
    (await live(fleet)).some(({ state, reason }) => state === 'Queued' && /memory/.test(reason ?? '')),
  )
  for (const ship of (await live(fleet)).filter(({ id }) => ships.some((one) => one.id === id))) {
    assert.equal(ship.resources.memoryMiB, 300)
    assert.match(ship.resize?.reason ?? '', /host-a has no room to grow: it wants 400 MiB of memory more/)
  }
  assert.deepEqual(await memoriesOf(ships), [300, 300])
  await cluster.addHost('host-b', { memoryMiB: 1_000 })
  const after = await cluster.until('it is replaced on host-b', patienceMs, async () => {
    const now = await live(fleet)
    return now.length === 2 && now.every(({ state }) => ['Ready', 'Allocated'].includes(state)) && now
  })
  const [moved, inUse] = ['Ready', 'Allocated'].map((state) => after.find((ship) => ship.state === state))
  assert.deepEqual([moved?.host, moved?.resources.memoryMiB, moved?.blueprint.revision], ['host-b', 700, 4])
  assert.deepEqual([inUse?.host, inUse?.resources.memoryMiB, inUse?.attempt], ['host-a', 300, 1])
})

test.run()
