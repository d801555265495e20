// /metrics on a real ApiServer: every figure is there, and no caller can make labels without end.
import assert from 'node:assert/strict'
import { Registry } from 'prom-client'
import { suite } from 'uvu'
import { measureCluster } from '../../functions/metrics/cluster.ts'
import { Readers } from '../../functions/services/logs/readers.ts'
import { scratchDir } from '../../infra/stack/scratch.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf } from '../../shared/api/client.ts'
import { ArmadaError } from '../../shared/errors.ts'
import { createLog } from '../../shared/log.ts'
import { type ApiServer, adminToken, metricsToken, startApiServer } from '../harness/apiServer.ts'
import { until } from '../harness/until.ts'

const test = suite('metrics')
let scratch: Awaited<ReturnType<typeof scratchDir>>
let stack: Stack
let api: ApiServer

test.before(async () => {
  scratch = await scratchDir()
  stack = await startStack({ dir: scratch.dir, profile: 'fast', log: createLog('test', 'silent') })
  api = await startApiServer(stack)
  await answerOf(
    api.admin.v1.blueprints[':blueprint'].$put({ param: { blueprint: 'arena' }, json: { image: 'game:1' } }),
  )
})

test.after(async () => {
  await api?.close()
  await stack?.stop()
  await scratch?.remove()
})

const ask = (path: string, token: string, method = 'GET') =>
  fetch(api.url + path, { method, headers: { authorization: `Bearer ${token}` } })

const lines = async () => (await (await ask('/metrics', metricsToken)).text()).split('\n')

/** The value of the sample that is written just so; undefined when there is none. */
const figure = (text: readonly string[], sample: string) => {
  const line = text.find((one) => one.startsWith(`${sample} `))
  return line === undefined ? undefined : Number(line.slice(sample.length))
}

test('its token reads the figures and nothing else, and nobody reads them without one', async () => {
  const answer = await ask('/metrics', metricsToken)
  assert.equal(answer.status, 200)
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  assert.equal((await ask('/metrics', adminToken)).status, 200)
  assert.equal((await ask('/metrics', 'nobody')).status, 401)
  assert.equal((await ask('/v1/ships', metricsToken)).status, 403)
})

test('requests are counted by the pattern of their route, whatever paths callers invent', async () => {
  const before = (await lines()).length
  for (let i = 0; i < 300; i++) {
    await (await ask(`/v1/ships/ship-${i}`, adminToken)).arrayBuffer()
    await (await ask(`/invented/${i}`, adminToken, i % 2 ? 'GET' : 'PROPFIND')).arrayBuffer()
  }
  const text = await lines()
  const counted = (labels: string) => figure(text, `armada_http_requests_total{${labels}}`)
  assert.equal(counted('method="GET",route="/v1/ships/:ship",status="404"'), 300)
  assert.equal(counted('method="GET",route="none",status="404"'), 150)
  assert.equal(figure(text, 'armada_http_request_seconds_count{method="GET",route="/v1/ships/:ship"}'), 300)
  assert.equal(figure(text, 'armada_http_requests_in_flight'), 1)
  assert.ok(text.length - before < 100, `${text.length - before} new lines`)
  assert.ok(!text.some((line) => /ship-\d|invented/.test(line)))
})

test('ships, fleets, the queue, the stores and the process are measured', async () => {
  await answerOf(api.admin.v1.ships.$post({ json: { blueprint: 'arena', count: 3 }, header: {} }))
  await answerOf(api.admin.v1.fleets.$post({ json: { name: 'lobby', blueprint: 'arena', replicas: 2 } }))
  const epoch = await api.lead('scheduler')
  await answerOf(
    api.runner.v1.placements.$post({ json: { epoch, placed: [], refused: [], waiting: ['nowhere'] } }),
  )
  const text = await lines()
  assert.equal(figure(text, 'armada_ships{state="Queued",fleet=""}'), 3)
  assert.equal(figure(text, 'armada_fleet_replicas{fleet="lobby"}'), 2)
  assert.equal(figure(text, 'armada_hosts{state="Online"}'), 0)
  assert.equal(figure(text, 'armada_scheduler_queue_entries'), 1)
  assert.equal(figure(text, 'armada_ticket_batch_size_sum'), 3)
  assert.equal(figure(text, 'armada_scheduler_waiting_tickets'), 1)
  assert.equal(figure(text, 'armada_scheduler_placements_total{outcome="stale"}'), 1)
  for (const [store, operation] of [
    ['etcd', 'commit'],
    ['redis', 'hgetall'],
    ['zookeeper', 'create'],
  ]) {
    assert.equal(figure(text, `armada_store_connected{store="${store}"}`), 1)
    const calls = `armada_store_call_seconds_count{store="${store}",operation="${operation}"}`
    assert.ok((figure(text, calls) ?? 0) > 0, calls)
  }
  assert.ok((figure(text, 'nodejs_eventloop_lag_p99_seconds') ?? 0) > 0)
  assert.ok((figure(text, 'process_resident_memory_bytes') ?? 0) > 0)
})

test('past the bound fleets are counted as one', async () => {
  for (const name of ['mine', 'pvp', 'zoo']) {
    await answerOf(api.admin.v1.fleets.$post({ json: { name, blueprint: 'arena', replicas: 5 } }))
  }
  const registry = new Registry()
  measureCluster(registry, api.stores, 2)
  const text = (await registry.metrics()).split('\n')
  assert.equal(figure(text, 'armada_fleet_replicas{fleet="lobby"}'), 2)
  assert.equal(figure(text, 'armada_fleet_replicas{fleet="(others)"}'), 10)
  assert.equal(text.filter((line) => line.startsWith('armada_fleet_replicas{')).length, 3)
})

test('open streams are counted by kind', async () => {
  const open = async (kind: string) => figure(await lines(), `armada_streams_open{kind="${kind}"}`)
  assert.deepEqual(await Promise.all(['events', 'logs', 'agents'].map(open)), [0, 0, 0])
  const over = new AbortController()
  const response = await fetch(`${api.url}/v1/events?watch=true`, {
    headers: { authorization: `Bearer ${adminToken}` },
    signal: over.signal,
  })
  assert.equal(response.status, 200)
  assert.equal(await open('events'), 1)
  over.abort()
  await until(async () => (await open('events')) === 0)
})

test('readers of logs are bounded at an ApiServer, for each ship and for each caller', () => {
  const readers = new Readers({ total: 10, ofShip: 4, ofCaller: 6 })
  const ann = { role: 'viewer', name: 'ann' } as const
  const ben = { role: 'viewer', name: 'ben' } as const
  const isFull = (error: unknown) => error instanceof ArmadaError && error.code === 'too_many_streams'
  const leave = Array.from({ length: 4 }, () => readers.enter(ann, 'a'))
  assert.throws(() => readers.enter(ben, 'a'), isFull)
  for (const ship of ['b', 'c']) leave.push(readers.enter(ann, ship))
  assert.throws(() => readers.enter(ann, 'd'), /"ann" reads 6 logs here at once/)
  for (const ship of ['d', 'e', 'f', 'g']) leave.push(readers.enter(ben, ship))
  assert.throws(() => readers.enter({ role: 'viewer', name: 'cid' }, 'h'), isFull)
  for (const end of leave) end()
  assert.equal(readers.size, 0)
  readers.enter(ann, 'a')()
})

test.run()
