// Other limits for the running ships of a fleet, on real stores: who gets them in place, who is replaced, who is told.
import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import { suite } from 'uvu'
import { keepFleets } from '../../functions/runners/controllers/fleets/keepFleets.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { Bell } from '../../shared/loop.ts'
import { Advice } from '../../shared/model/holding.ts'
import type { Resources } from '../../shared/model/resources.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { isInUse } from '../../shared/model/shipState.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { FleetCrew } from '../harness/fleetCrew.ts'
import { joinHost, publish, startTwoServers, type TwoServers } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('resizes')
const patienceMs = 90_000
const stop = new AbortController()
// Every host of every fleet waits on it.
setMaxListeners(0, stop.signal)
const running: Promise<unknown>[] = []
let servers: TwoServers
let zk: ZooKeeper

const log = createLog('controllers', process.env.ARMADA_LOG ?? 'silent')
const sized = (memoryMiB: number, more: object = {}) => ({
  resources: { cpuMillis: 100, memoryMiB },
  ...more,
})

test.before(async () => {
  servers = await startTwoServers()
  zk = await ZooKeeper.connect({
    servers: servers.stack.zookeeper.address,
    log: createLog('test', 'silent'),
  })
  const epoch = await servers.a.lead('controllers')
  const { runner: client } = servers.a
  running.push(keepFleets({ client, epoch, log, signal: stop.signal }, new Bell()))
})

test.after(async () => {
  stop.abort()
  await Promise.all(running)
  await zk?.close()
  await servers?.stop()
})

const fleets = () => servers.a.admin.v1.fleets
const fleetNamed = (fleet: string) => answerOf(fleets()[':fleet'].$get({ param: { fleet } }))
const patch = (fleet: string, json: object) =>
  answerOf(fleets()[':fleet'].$patch({ param: { fleet }, json: json as never, header: {} }))
const reaches = (fleet: string, state: string) =>
  until(async () => (await fleetNamed(fleet)).rollout?.state === state, patienceMs)
const isServing = ({ state }: Ship) => state === 'Ready' || isInUse(state)

/** A fleet on one host, whose revisions take so much memory each. */
async function sail(
  name: string,
  replicas: number,
  memories: readonly number[],
  more: object = {},
  strategy = {},
) {
  for (const memoryMiB of memories) await publish(servers.a, name, sized(memoryMiB))
  const crew = await FleetCrew.join(servers.direct[0], name, 1, { resizes: true, ...more })
  running.push(crew.run(stop.signal))
  const json = { name, blueprint: name, revision: 1, replicas, ...strategy }
  await answerOf(fleets().$post({ json: json as never }))
  await until(() => crew.ships().filter(isServing).length === replicas, patienceMs)
  return crew
}

async function advised(host: string): Promise<Map<string, Resources>> {
  const found = await zk.get(paths.advisor(host))
  const { holdings } = found?.data.length ? Advice.parse(JSON.parse(found.data.toString())) : { holdings: [] }
  return new Map(holdings.map(({ ship, resources }) => [ship, resources]))
}

test('ships get other limits as they run, one in use among them; the rollout is done when their host has said so', async () => {
  const crew = await sail('grown', 3, [1_000, 1_300])
  const before = crew.ships().map(({ id }) => id)
  const { ship: inUse } = await crew.allocate()
  crew.refusal = () => undefined
  await patch('grown', { revision: 2 })
  await until(() => crew.ships().every(({ resize }) => resize?.state === 'pending'), patienceMs)
  for (const { resources, blueprint, resize, state, id } of crew.ships()) {
    assert.deepEqual([resources.memoryMiB, blueprint.revision], [1_300, 2])
    assert.deepEqual(resize?.from, { revision: 1, resources: { cpuMillis: 100, memoryMiB: 1_000 } })
    assert.equal(state, id === inUse ? 'Allocated' : 'Ready')
  }
  await until(async () => {
    const seen = await advised('grown-host-0')
    return before.every((id) => seen.get(id)?.memoryMiB === 1_300)
  }, patienceMs)
  const { rollout } = await fleetNamed('grown')
  assert.deepEqual([rollout?.state, rollout?.resized], ['rolling', { done: 0, pending: 3, refused: 0 }])
  crew.refusal = () => null
  await reaches('grown', 'done')
  assert.deepEqual((await fleetNamed('grown')).rollout?.resized, { done: 3, pending: 0, refused: 0 })
  assert.deepEqual(
    crew
      .ships()
      .map(({ id, attempt }) => [id, attempt])
      .sort(),
    before.map((id) => [id, 1]).sort(),
  )
})

test('a fleet goes back to other limits in place, with canaries or without', async () => {
  const crew = await sail('returned', 2, [1_000, 1_300])
  await crew.allocate()
  const before = crew.ships().map(({ id }) => id)
  await patch('returned', { revision: 2 })
  await reaches('returned', 'done')
  await patch('returned', { strategy: { type: 'canary', pauseMs: null } })
  await answerOf(fleets()[':fleet'].rollback.$post({ param: { fleet: 'returned' }, json: {}, header: {} }))
  await reaches('returned', 'rolled-back')
  assert.deepEqual((await fleetNamed('returned')).rollout?.resized, { done: 2, pending: 0, refused: 0 })
  for (const { id, attempt, resources, blueprint } of crew.ships()) {
    assert.ok(before.includes(id))
    assert.deepEqual([attempt, resources.memoryMiB, blueprint.revision], [1, 1_000, 1])
  }
})

test('where not all have room those in use come first, and the others are replaced with the reason on them', async () => {
  const crew = await sail('tight', 3, [1_000, 1_500])
  const { ship: inUse } = await crew.allocate()
  const others = crew.ships().flatMap(({ id }) => (id === inUse ? [] : [id]))
  await patch('tight', { revision: 2 })
  await reaches('tight', 'done')
  const now = new Map(crew.ships().map((ship) => [ship.id, ship]))
  assert.equal(now.get(inUse)?.resize?.state, 'done')
  assert.equal(now.get(inUse)?.state, 'Allocated')
  // 4096 MiB, of which 3000 are taken: room for two that grow by 500.
  const [done, refused] = ['done', 'refused'].map((state) =>
    others.filter((id) => now.get(id)?.resize?.state === state),
  )
  assert.deepEqual([done?.length, refused?.length], [1, 1])
  const replaced = now.get(refused?.[0] ?? '')
  assert.match(
    replaced?.resize?.reason ?? '',
    /tight-host-0 has no room to grow: it wants 500 MiB of memory more, and 96 are free/,
  )
  assert.equal(replaced?.blueprint.revision, 1)
  const live = crew.ships().filter(isServing)
  assert.deepEqual(
    live.map(({ blueprint, resources }) => [blueprint.revision, resources.memoryMiB]),
    [
      [2, 1_500],
      [2, 1_500],
      [2, 1_500],
    ],
  )
})

test('what a host refuses goes back to what it was, and is replaced; in use it stays', async () => {
  const crew = await sail('full', 2, [1_000, 200])
  const { ship: inUse, id: session } = await crew.allocate()
  crew.refusal = () => 'it uses 700 MiB of memory, too much for a limit of 200 MiB'
  await patch('full', { revision: 2 })
  await until(
    () => crew.ships().some(({ resize, state }) => resize?.state === 'refused' && state === 'Stopped'),
    patienceMs,
  )
  const ship = crew.ships().find(({ id }) => id === inUse)
  assert.deepEqual(
    [ship?.state, ship?.blueprint.revision, ship?.resources.memoryMiB],
    ['Allocated', 1, 1_000],
  )
  assert.match(ship?.resize?.reason ?? '', /it uses 700 MiB/)
  await until(
    async () =>
      /waits for 1 ships of older revisions that are in use/.test((await fleetNamed('full')).message ?? ''),
    patienceMs,
  )
  await crew.giveBack(session)
  await reaches('full', 'done')
  assert.ok(
    crew
      .ships()
      .filter(isServing)
      .every(({ resources, resize }) => resources.memoryMiB === 200 && !resize),
  )
})

test('an agent that cannot do it is not asked; a quota that leaves nothing is no way round; canaries are canaries', async () => {
  const old = await sail('aged', 1, [500, 600], { resizes: undefined })
  await patch('aged', { revision: 2 })
  await reaches('aged', 'done')
  assert.ok(old.ships().some(({ resize }) => /upgrade it/.test(resize?.reason ?? '')))

  const put = servers.a.admin.v1.quotas[':quota']
  const json = { fleets: ['bounded'], ships: null, cpuMillis: null, memoryMiB: 1_700 }
  await answerOf(put.$put({ param: { quota: 'small' }, json, header: {} } as never))
  const bounded = await sail('bounded', 3, [500, 600])
  await patch('bounded', { revision: 2 })
  await until(() => bounded.ships().filter(({ resize }) => resize?.state === 'done').length === 2, patienceMs)
  const refused = bounded.ships().find(({ resize }) => resize?.state === 'refused')
  assert.match(refused?.resize?.reason ?? '', /Quota "small" allows 1700 MiB of memory/)

  const canary = await sail('bird', 4, [500, 600], {}, { strategy: { type: 'canary', pauseMs: null } })
  await patch('bird', { revision: 2 })
  await reaches('bird', 'watching')
  assert.ok(canary.ships().every(({ resize }) => resize === undefined))
})

test('the host is told with its hello, and what it holds counts with the larger amount until it has answered', async () => {
  const { a } = servers
  const crew = await sail('told', 1, [1_000, 600])
  crew.refusal = () => undefined
  const [ship] = crew.ships()
  assert.ok(ship)
  await patch('told', { revision: 2 })
  await until(() => crew.ships()[0]?.resize?.state === 'pending', patienceMs)
  const again = await joinHost(a, 'told-host-0', { resizes: true })
  const host = { ...(await answerOf(a.admin.v1.hosts[':host'].$get({ param: { host: 'told-host-0' } }))) }
  const { id, address, capacity, ports, agentVersion } = host
  const description = { id, address, capacity, ports, agentVersion, resizes: true as const }
  const hello = () =>
    answerOf(again.client.v1.monitor.hello.$post({ json: { host: description, ships: [] } }))
  const [grant] = (await hello()).wanted
  assert.deepEqual([grant?.resize, grant?.spec.resources.memoryMiB, grant?.blueprint.revision], [1, 600, 2])
  const holding = { ship: ship.id, attempt: 1, fleet: 'told', hostPorts: [] as number[] }
  const tell = (memoryMiB: number, resized: object[] = []) => {
    const holdings = [{ ...holding, resources: { cpuMillis: 100, memoryMiB } }]
    const json = { changes: [], holdings, anew: true, host: null, ships: [], resized }
    return answerOf(again.client.v1.monitor.reports.$post({ json: json as never }))
  }
  await tell(600)
  assert.equal((await advised('told-host-0')).get(ship.id)?.memoryMiB, 1_000)
  await tell(600, [{ ship: ship.id, attempt: 1, n: 1, refused: null }])
  assert.equal((await advised('told-host-0')).get(ship.id)?.memoryMiB, 600)
  // Late, or of another attempt: no news.
  await tell(600, [{ ship: ship.id, attempt: 1, n: 1, refused: 'late' }])
  await tell(600, [{ ship: ship.id, attempt: 7, n: 1, refused: 'late' }])
  assert.equal(crew.ships()[0]?.resize?.state, 'done')
  await reaches('told', 'done')
  // An older agent comes in its place while a change is pending.
  await patch('told', { revision: 1 })
  await until(() => crew.ships()[0]?.resize?.n === 2, patienceMs)
  const json = { host: { ...description, resizes: undefined }, ships: [] }
  await answerOf(again.client.v1.monitor.hello.$post({ json }))
  await until(() => crew.ships().some(({ resize }) => /upgrade it/.test(resize?.reason ?? '')), patienceMs)
  assert.equal(crew.ships().find(({ resize }) => resize)?.resources.memoryMiB, 600)
})

test.run()
