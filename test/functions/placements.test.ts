// Why ships stand where they stand: the real scheduler, two ApiServers, hosts whose agents only register.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { schedule } from '../../functions/runners/scheduler/schedule.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import type { HostDescription } from '../../shared/model/host.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { adminToken } from '../harness/apiServer.ts'
import {
  claim,
  describeHost,
  joinHost,
  publish,
  refused,
  report,
  shipAt,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('placements')
const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const leading = new AbortController()
let epoch: number
let servers: TwoServers
let zk: ZooKeeper
let running: Promise<unknown> | undefined

async function appear(host: string, change: Partial<HostDescription> = {}) {
  const { client } = await joinHost(servers.a, host, change)
  await zk.ensurePath(paths.workerQueue(host))
  await zk.set(paths.worker(host), JSON.stringify(describeHost(host, change)))
  await zk.create(paths.workerPresence(host), '', 'ephemeral')
  return client
}

async function make(blueprint: string): Promise<string> {
  const { ships } = await answerOf(servers.a.admin.v1.ships.$post({ json: { blueprint }, header: {} }))
  return ships[0]?.id as string
}

const placementOf = (ship: string) =>
  answerOf(servers.b.admin.v1.ships[':ship'].placement.$get({ param: { ship } }))

test.before(async () => {
  servers = await startTwoServers()
  zk = await ZooKeeper.connect({ servers: servers.stack.zookeeper.address, log })
  const { signal } = leading
  epoch = await servers.b.lead('scheduler')
  running = schedule({ zk, client: servers.b.runner, log }, { epoch, signal }).catch(() => undefined)
  await publish(servers.a, 'huge', { resources: { memoryMiB: 1_000_000 } })
  await publish(servers.a, 'render', {
    resources: { cpuMillis: 100, memoryMiB: 100, diskMiB: 10, extra: { gpu: 1 } },
  })
})
test.after(async () => {
  leading.abort()
  await running
  await zk?.close()
  await servers?.stop()
})

test('a ship that waits says why, since when and how often it was refused; then why its host', async () => {
  const ship = await make('render')
  await until(async () => (await placementOf(ship)).refusals === 1)
  const nowhere = await placementOf(ship)
  assert.equal(nowhere.reason, 'no host is online: join one, or start the agent of one that has joined')
  assert.deepEqual(
    [nowhere.host, nowhere.score, nowhere.hosts],
    [null, null, { all: 0, feasible: 0, ruledOut: [] }],
  )
  await appear('plain')
  await until(async () => (await placementOf(ship)).refusals === 2)
  const refusal = await placementOf(ship)
  assert.equal(refusal.reason, '1 host: not enough disk (wants 10 MiB, best has 0)')
  assert.deepEqual(refusal.hosts, { all: 1, feasible: 0, ruledOut: [{ rule: 'disk', hosts: 1 }] })
  assert.match(refusal.summary, /^Waits for a host since .*told 2 times.*not enough disk/)
  assert.equal(refusal.since, (await shipAt(servers.a, ship)).stateSince)

  const capacity = { cpuMillis: 1_000, memoryMiB: 1_000, diskMiB: 10, extra: { gpu: 1 } }
  const agent = await appear('gpus', { capacity })
  await until(async () => (await placementOf(ship)).host === 'gpus')
  const placed = await placementOf(ship)
  assert.deepEqual(placed.hosts, { all: 2, feasible: 1, ruledOut: [{ rule: 'disk', hosts: 1 }] })
  assert.ok(placed.score && Date.parse(placed.since ?? '') >= Date.parse(refusal.since ?? ''))
  assert.match(placed.summary, /^On gpus since .*, the best of 1 hosts.*; 1 other had not enough disk\.$/)
  await claim(agent, [{ ship, attempt: 1 }])
  assert.deepEqual((await placementOf(ship)).hosts, placed.hosts)
  // The record itself, as people look it up, is no longer for it.
  assert.equal('placement' in (await shipAt(servers.a, ship)), false)
})

test('a host that claims before the report was heard keeps the explanation; who is not there is told so', async () => {
  const { client } = await joinHost(servers.a, 'early')
  const ship = await make('huge')
  await until(async () => (await placementOf(ship)).refusals > 0)
  await claim(client, [{ ship, attempt: 1 }])
  const score = { strategy: 7, preferred: 0, apart: 0 }
  const why = { hosts: 3, feasible: 2, ruledOut: { memory: 1 }, score }
  const placed = [{ ship, attempt: 1, host: 'early', ports: {}, why }]
  const json = { epoch, placed, refused: [], waiting: [] }
  await answerOf(servers.b.runner.v1.placements.$post({ json }))
  const { state, host, score: kept } = await placementOf(ship)
  assert.deepEqual([state, host, kept], ['Starting', 'early', score])
  await refused(placementOf('nobody'), 'not_found')
})

test('a dry run says where ships would go and how many more fit, over any ApiServer', async () => {
  const { a, b, direct } = servers
  const simulate = (api: typeof a, json: object) =>
    answerOf(api.admin.v1.placements.simulate.$post({ json: { blueprint: 'render', count: 2, ...json } }))
  await appear('render-1', {
    capacity: { cpuMillis: 1_000, memoryMiB: 1_000, diskMiB: 25, extra: { gpu: 8 } },
  })
  await until(async () => (await simulate(a, {})).fitting === 2)
  const ships = (await answerOf(a.admin.v1.ships.$get({ query: {} }))).ships.length
  for (const api of direct) {
    const { hosts, fitting, more, moreIsExact, reason } = await simulate(api, {})
    assert.deepEqual(hosts, [{ host: 'render-1', ships: 2 }])
    assert.deepEqual([fitting, more, moreIsExact], [2, 0, true])
    assert.match(reason ?? '', /not enough disk \(wants 10 MiB, best has 5\)/)
  }
  const spec = { image: 'game:1', resources: { memoryMiB: 500_000 } }
  const json = { spec, count: 3 }
  const nowhere = await answerOf(b.admin.v1.placements.simulate.$post({ json }))
  assert.deepEqual([nowhere.fitting, nowhere.more, nowhere.hosts], [0, 0, []])
  assert.ok(nowhere.ruledOut.some(({ rule }) => rule === 'memory'))
  assert.equal((await answerOf(a.admin.v1.ships.$get({ query: {} }))).ships.length, ships, 'none was made')
  await refused(simulate(a, { spec }), 'invalid_request', /either a blueprint or a spec/)
  await refused(simulate(a, { blueprint: 'nothing' }), 'not_found')
  await refused(simulate(a, { count: 1_000_000 }), 'invalid_request', /count/)
})

test('a report says which hosts could be emptied, and keeps off those with ships in use', async () => {
  const { a, b } = servers
  const agents = new Map<string, Awaited<ReturnType<typeof appear>>>()
  for (const role of ['keeper', 'loose']) agents.set(role, await appear(role, { labels: { role } }))
  const tiny = {
    resources: { cpuMillis: 10, memoryMiB: 10 },
    ports: [],
    sdk: 'agones',
    probe: { type: 'sdk' },
  }
  const has = (...values: string[]) => ({ key: 'role', values })
  await publish(a, 'keeper', { ...tiny, placement: { require: [has('keeper')] } })
  const prefer = [{ selector: has('loose'), weight: 100 }]
  await publish(a, 'loose', { ...tiny, placement: { require: [has('keeper', 'loose')], prefer } })
  for (const [host, agent] of agents) {
    const ship = await make(host)
    await until(async () => (await shipAt(a, ship)).host === host)
    await claim(agent, [{ ship, attempt: 1 }])
    await report(agent, { ship, attempt: 1, state: 'Ready' })
    if (host === 'keeper') await say(agent, ship)
  }
  const defragmentation = () => answerOf(b.admin.v1.placements.defragmentation.$get())
  await until(async () => (await defragmentation()).emptiable.some(({ host }) => host === 'loose'))
  const { emptiable, kept, complete } = await defragmentation()
  assert.ok(complete)
  const moves = emptiable.find(({ host }) => host === 'loose')?.moves
  assert.deepEqual(
    moves?.map(({ to }) => to),
    ['keeper'],
  )
  assert.deepEqual(
    kept.find(({ host }) => host === 'keeper'),
    { host: 'keeper', ships: 1, inUse: 1, reason: '1 of its ships is in use' },
  )
  assert.ok(!emptiable.some(({ host }) => host === 'keeper'))
})

test('the scheduler tells its figures', async () => {
  const texts = await Promise.all(
    servers.direct.map(async ({ url }) => {
      const headers = { authorization: `Bearer ${adminToken}` }
      return (await fetch(`${url}/metrics`, { headers })).text()
    }),
  )
  const total = (name: string) =>
    texts.reduce((sum, text) => sum + Number(new RegExp(`^${name} ([\\d.]+)$`, 'm').exec(text)?.[1] ?? 0), 0)
  assert.ok(total('armada_scheduler_decision_seconds_count') > 0)
  assert.ok(total('armada_scheduler_queue_wait_seconds_count') > 0)
  assert.ok(total('armada_scheduler_takeover_seconds\\{part="jobs"\\}') > 0)
  assert.ok(total('armada_scheduler_refusals_total\\{rule="disk"\\}') > 0)
  assert.ok(total('armada_scheduler_refusals_total\\{rule="none"\\}') > 0)
  assert.ok(
    texts.some((text) => /^armada_scheduler_stranded_share\{resource="memory"\} 0\.?\d*$/m.test(text)),
  )
})

test('with no scheduler that leads, the question is refused in time, and says so', async () => {
  leading.abort()
  await running
  const json = { blueprint: 'render' }
  await refused(
    answerOf(servers.a.admin.v1.placements.simulate.$post({ json })),
    'unavailable',
    /leading scheduler.*GET \/v1\/cluster/,
  )
})

/** The ship says that it is in use. */
async function say(agent: Awaited<ReturnType<typeof appear>>, ship: string): Promise<void> {
  const json = { attempt: 1, first: 1, words: [{ say: 'allocate' as const }] }
  await answerOf(agent.v1.monitor.ships[':ship'].words.$post({ param: { ship }, json }))
}

test.run()
