// Redis is emptied, killed and frozen under 10,000 ships: everything is shown as before within 5 s, nothing is
// moved, nothing is made twice. Armada's processes as they are shipped; only the hosts are simulated.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { suite } from 'uvu'
import { redisKeys } from '../../functions/stores/keys.ts'
import { startApi, startRunner } from '../../infra/processes.ts'
import { freePort } from '../../infra/stack/port.ts'
import { scratchDir } from '../../infra/stack/scratch.ts'
import type { Server } from '../../infra/stack/server.ts'
import { startStack } from '../../infra/stack/stack.ts'
import { answerOf, connect } from '../../shared/api/client.ts'
import type { Cluster } from '../../shared/api/cluster.ts'
import { createLog } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import type { ShipView } from '../../shared/model/ship.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { adminToken, runnerToken } from '../harness/apiServer.ts'
import { SimulatedHosts } from '../harness/simulatedHosts.ts'
import { publish } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('rebuild')
const log = createLog('test', 'silent')
const shipCount = 10_000
const hostCount = 20
const waiting = 20
const promisedMs = 5_000
const limitMs = 120_000

interface Api {
  url: string
  admin: ReturnType<typeof connect>
  as: (token: string) => ReturnType<typeof connect>
}

let scratch: Awaited<ReturnType<typeof scratchDir>>
let stack: Awaited<ReturnType<typeof startStack>>
let redis: Redis
let zk: ZooKeeper
let hosts: SimulatedHosts
let living: Promise<void>
const apis: Api[] = []
const processes: Server[] = []
const ended = new AbortController()

test.before(async () => {
  scratch = await scratchDir()
  stack = await startStack({ dir: scratch.dir, profile: 'fast', log })
  const dist = join(import.meta.dirname, '..', '..', 'dist')
  const zookeeper = stack.zookeeper.address
  for (const name of ['a', 'b']) {
    const launch = { dir: join(scratch.dir, name), dist, endWithParent: true, log }
    const listenPort = await freePort()
    const url = `http://127.0.0.1:${listenPort}`
    const stores = { zookeeper, etcd: stack.etcd.address, redis: stack.redis.address }
    processes.push(await startApi({ ...stores, listenPort, adminToken, runnerToken }, launch))
    const as = (token: string) => connect({ url, token, limitMs: 60_000 })
    apis.push({ url, as, admin: as(adminToken) })
  }
  const [a, b] = apis as [Api, Api]
  const launch = { dir: scratch.dir, dist, endWithParent: true, log }
  // On a busy machine the simulated hosts may be slow to claim, and the scheduler to say what it holds.
  const patience = { unclaimedMs: 600_000, ticketLostMs: 30_000 }
  for (const kind of ['scheduler', 'controllers'] as const)
    processes.push(await startRunner(kind, { zookeeper, api: b.url, runnerToken, ...patience }, launch))

  redis = new Redis(stack.redis.address)
  redis.on('error', () => undefined)
  const placement = { strategy: 'distributed' }
  for (const revision of ['1', '2', '3'])
    await publish(a, 'arena', { ports: [], placement, labels: { revision } })
  await publish(a, 'nowhere', { placement: { host: 'no-such-host' } })
  zk = await ZooKeeper.connect({ servers: zookeeper, log })
  hosts = new SimulatedHosts(zk)
  await hosts.join(hostCount, apis)
  living = hosts.run(b.admin, ended.signal)
  // These wait with their tickets for as long as the test lasts.
  const stuck = { blueprint: 'nowhere', count: waiting }
  await answerOf(a.admin.v1.ships.$post({ json: stuck, header: {} }))
  for (let i = 0; i < shipCount / 1_000; i++)
    await answerOf(a.admin.v1.ships.$post({ json: { blueprint: 'arena', count: 1_000 }, header: {} }))
  await until(async () => (await counts()).Ready === shipCount, limitMs)
  await until(async () => (await redis.hlen(redisKeys.ships)) === shipCount, limitMs)
})

test.after(async () => {
  ended.abort()
  await living
  redis?.disconnect()
  await zk?.close()
  for (const process of processes) await process.kill()
  await stack?.stop()
  await scratch?.remove()
})

/** What a GET answers; undefined while it is unavailable, which it says properly. */
async function get<T>({ url }: Api, path: string): Promise<T | undefined> {
  const response = await fetch(url + path, { headers: { authorization: `Bearer ${adminToken}` } })
  const text = await response.text()
  if (response.ok) return JSON.parse(text)
  assert.equal(response.status, 503, `${path}: ${text}`)
  assert.ok(response.headers.get('retry-after'), `${path} is unavailable without Retry-After`)
  return undefined
}

async function cluster() {
  const api = apis[0] as Api
  return await answerOf(api.admin.v1.cluster.$get())
}

async function counts() {
  return (await cluster()).ships
}

async function allShips(api: Api): Promise<ShipView[]> {
  const ships: ShipView[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await answerOf(
      api.admin.v1.ships.$get({ query: { limit: '1000', ...(cursor && { cursor }) } }),
    )
    ships.push(...page.ships)
    if (page.nextCursor === null) return ships
    cursor = page.nextCursor
  }
}

/** All that an ApiServer shows, but for what changes by itself: times, and how this server and the stores are. */
async function shown(api: Api): Promise<string> {
  const { hosts } = (await get<{ hosts: { lastReportAt: unknown }[] }>(api, '/v1/hosts')) ?? { hosts: [] }
  const { stores, apiServer, leaders, ...glance } =
    (await get<Cluster>(api, '/v1/cluster')) ?? ({} as Cluster)
  const others = ['/v1/fleets', '/v1/blueprints', '/v1/blueprints/arena/revisions']
  return JSON.stringify([
    hosts.map((host) => ({ ...host, lastReportAt: typeof host.lastReportAt })),
    glance,
    await Promise.all(others.map((path) => get(api, path))),
    await allShips(api),
  ])
}

/** No process of Armada ended; no ship was lost, queued again or stopped. */
async function assertUntouched(): Promise<void> {
  assert.deepEqual(
    processes.filter(({ pid }) => pid === undefined).map(({ name }) => name),
    [],
  )
  const ships = await allShips(apis[0] as Api)
  const moved = ships.filter(({ attempt, state }) => attempt !== 1 || !['Ready', 'Queued'].includes(state))
  assert.deepEqual(moved.slice(0, 3), [])
  assert.equal(ships.filter(({ state }) => state === 'Queued').length, waiting)
  assert.deepEqual(hosts.surprises, [])
}

test('FLUSHALL, again and again: all is shown as before within 5 s, though no agent reports meanwhile', async () => {
  const most = hosts.names.slice(0, 12)
  for (const name of most) await hosts.vanish(name)
  await until(async () => (await cluster()).stormBrake !== null, limitMs)
  const takenMs: number[] = []
  for (let turn = 0; turn < 3; turn++) {
    hosts.reporting = false
    await sleep(1_000)
    const before = await Promise.all(apis.map(shown))
    assert.equal(before[0], before[1])
    await redis.flushall()
    const startMs = performance.now()
    for (const [i, api] of apis.entries()) {
      while ((await shown(api)) !== before[i]) {
        assert.ok(performance.now() - startMs < 30_000, 'it is not shown as before')
        await sleep(100)
      }
    }
    // An ApiServer shows it from memory: Redis has it again a moment later.
    for (const [key, count] of [
      [redisKeys.ships, shipCount],
      [redisKeys.hosts, hostCount],
      [redisKeys.blueprint('arena'), 3],
    ] as const)
      await until(async () => (await redis.hlen(key)) === count, promisedMs)
    takenMs.push(performance.now() - startMs)
    hosts.reporting = true
    await sleep(6_000)
  }
  const median = takenMs.sort((a, b) => a - b)[1] as number
  assert.ok(median < promisedMs, `it took ${takenMs.map(Math.round)} ms`)
  for (const name of most) await hosts.appear(name)
  await until(async () => (await cluster()).stormBrake === null, limitMs)
  await assertUntouched()
})

test('while ships are made and claimed, Redis is emptied, frozen and killed: each is made once, none is moved', async () => {
  const over = new AbortController()
  const odd: string[] = []
  const made = new Set<string>()
  let asked = 0
  const making = apis.map(async (api, i) => {
    for (let n = 0; !over.signal.aborted; n++) {
      asked++
      await make(api, `rebuild-${i}-${n}`)
      await sleep(100)
    }
  })
  /** Asks with one key until it is answered, as a client would. */
  async function make({ url }: Api, key: string): Promise<void> {
    const authorization = `Bearer ${adminToken}`
    const headers = { authorization, 'content-type': 'application/json', 'idempotency-key': key }
    const body = JSON.stringify({ blueprint: 'arena', count: 5 })
    for (; ; await sleep(200)) {
      const response = await fetch(`${url}/v1/ships`, { method: 'POST', headers, body })
      const answer = (await response.json()) as { ships: { id: string }[]; detail?: string }
      if (response.status === 201) {
        for (const { id } of answer.ships) made.add(id)
        return
      }
      const again = response.status === 503 && response.headers.get('retry-after')
      if (!again) odd.push(`${response.status} ${answer.detail}`)
    }
  }
  const looking = (async () => {
    const paths = ['/v1/hosts', '/v1/cluster', '/v1/ships?limit=50', '/v1/blueprints/arena/revisions']
    for (; !over.signal.aborted; await sleep(100)) for (const path of paths) await get(apis[1] as Api, path)
  })()

  for (let i = 0; i < 10; i++) {
    await redis.flushall()
    await sleep(200)
  }
  stack.redis.pause()
  await sleep(3_000)
  stack.redis.resume()
  await sleep(1_000)
  await stack.redis.kill()
  await sleep(500)
  await stack.redis.restart()
  await sleep(1_000)
  await redis.flushall()
  over.abort()
  await Promise.all([...making, looking])

  assert.deepEqual(odd, [])
  assert.equal(made.size, 5 * asked)
  await until(async () => (await counts()).Ready === shipCount + made.size, limitMs)
  await until(async () => (await redis.hlen(redisKeys.ships)) === shipCount + made.size, limitMs)
  for (const api of apis) {
    const { hosts } = await answerOf(api.admin.v1.cluster.$get())
    assert.deepEqual(hosts, { online: hostCount, degraded: 0, silent: 0 })
  }
  await assertUntouched()
})

test.run()
