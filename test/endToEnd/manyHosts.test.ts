// Many hosts with real ZooKeeper sessions, a burst of ships, and the leading scheduler killed in the middle of it.
//
// In full: `npm run build && node --import tsx test/endToEnd/manyHosts.test.ts 1000 20000`.
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApi, startRunner } from '../../infra/processes.ts'
import { freePort } from '../../infra/stack/port.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import type { Server } from '../../infra/stack/server.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf, type Client, connect } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { adminToken, runnerToken } from '../harness/apiServer.ts'
import { countersOf, since } from '../harness/serverCounters.ts'
import { type SimulatedHost, startHosts } from '../harness/simulatedHost.ts'
import { until } from '../harness/until.ts'

const given = process.argv.slice(2).map(Number)
const [hostCount = 200, shipCount = 4_000] = given
/** Small ones, and several at a time, so that tickets come without a pause. */
const perPost = 50
const posters = 4
const sessionMs = 4_000
const patienceMs = 60_000 + 30 * shipCount

const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const dist = join(import.meta.dirname, '..', '..', 'dist')
const test = suite('many hosts')
const servers: Server[] = []
let scratch: Scratch
let stack: Stack
let zk: ZooKeeper
let admin: Client
let hosts: SimulatedHost[] = []
let startScheduler: (name: string) => Promise<Server>

interface Grant {
  host: string
  attempt: number
}

/** What hosts were granted, whatever the product says of it. */
const grants = new Map<string, Grant[]>()
/** When jobs arrived in boxes. */
const placedAtMs: number[] = []

/** Asks again, with the same key, when a connection breaks or a store is too busy. */
async function create(count: number, key: string): Promise<string[]> {
  const request = { json: { blueprint: 'game', count }, header: { 'idempotency-key': key } }
  for (let tries = 1; ; tries++) {
    try {
      const { ships } = await answerOf(admin.v1.ships.$post(request))
      return ships.map((ship) => ship.id)
    } catch (error) {
      if (tries === 30) throw error
      await sleep(1_000)
    }
  }
}

const candidates = async (): Promise<number> => ((await zk.children(paths.schedulerElection)) ?? []).length

test.before(async () => {
  scratch = await scratchDir()
  stack = await startStack({ dir: scratch.dir, profile: 'fast', log })
  const zookeeper = stack.zookeeper.address
  zk = await ZooKeeper.connect({ servers: zookeeper, log })
  const listenPort = await freePort()
  const url = `http://127.0.0.1:${listenPort}`
  const launch = { dist, endWithParent: true, log }
  const stores = { etcd: stack.etcd.address, redis: stack.redis.address, zookeeper }
  const settings = { ...stores, listenPort, adminToken, runnerToken, logLevel: 'warn' as const }
  servers.push(await startApi(settings, { ...launch, dir: scratch.dir }))
  admin = connect({ url, token: adminToken, limitMs: 60_000 })
  startScheduler = async (name) => {
    const options = { zookeeper, api: url, runnerToken, sessionMs, logLevel: 'warn' as const }
    const server = await startRunner('scheduler', options, { ...launch, dir: join(scratch.dir, name) })
    servers.push(server)
    return server
  }
  hosts = await startHosts(hostCount, (id) => ({
    ...{ id, url, admin, zookeeper },
    onPlaced: () => placedAtMs.push(performance.now()),
    onGranted: (ship, attempt, host) => {
      const earlier = grants.get(ship) ?? []
      grants.set(ship, [...earlier, { host, attempt }])
    },
  }))
})

test.after(async () => {
  await Promise.all(hosts.map((host) => host.stop()))
  await zk?.close()
  for (const server of servers.reverse()) await server.kill()
  await stack?.stop()
  await scratch?.remove()
})

test(`${hostCount} hosts, ${shipCount} ships: the leader is killed in the burst, and each is placed exactly once`, async () => {
  const first = await startScheduler('first')
  await until(async () => (await candidates()) === 1, 30_000)
  await startScheduler('second')
  await until(async () => (await candidates()) === 2, 30_000)
  const json = {
    image: 'game:1',
    ports: [{ name: 'game', containerPort: 7_777 }],
    placement: { strategy: 'distributed' as const },
    resources: { cpuMillis: 10, memoryMiB: 10 },
  }
  await answerOf(admin.v1.blueprints[':blueprint'].$put({ param: { blueprint: 'game' }, json }))
  const before = await countersOf(stack.zookeeper.address)
  const beganAtMs = performance.now()
  const made: string[] = []
  let left = shipCount
  const post = async () => {
    while (left > 0) {
      const count = Math.min(perPost, left)
      left -= count
      made.push(...(await create(count, `burst-${left}`)))
    }
  }
  const posted = Promise.all(Array.from({ length: posters }, post))
  await until(() => grants.size > shipCount / 4, patienceMs)
  await first.kill()
  const killedAtMs = performance.now()
  const grantedThen = grants.size
  await posted
  await until(() => grants.size >= shipCount, patienceMs)
  await until(async () => (await answerOf(admin.v1.cluster.$get())).ships.Ready === shipCount, 60_000)
  const tookMs = performance.now() - beganAtMs

  assert.is(new Set(made).size, shipCount)
  for (const ship of made) {
    const places = new Set(grants.get(ship)?.map(({ host, attempt }) => `${host} ${attempt}`))
    assert.is(places.size, 1, `${ship}: ${[...places].join(', ')}`)
  }
  const aboard = hosts.reduce((sum, host) => sum + host.roster.list().length, 0)
  assert.is(aboard, shipCount)

  // The longest pause that began soon after the kill; what the machine does later is no matter of the kill.
  const limitMs = sessionMs + 2_000
  const later = [killedAtMs, ...placedAtMs.filter((atMs) => atMs > killedAtMs)]
  const soon = later.filter((atMs) => atMs < killedAtMs + limitMs)
  const standstillMs = Math.max(...soon.map((atMs, i) => (later[i + 1] ?? atMs) - atMs))
  const { received } = since(before, await countersOf(stack.zookeeper.address))
  process.stdout.write(
    `${grantedThen} ships were claimed at the kill; standstill ${Math.round(standstillMs)} ms; all ${shipCount} ` +
      `Ready after ${(tookMs / 1_000).toFixed(1)} s; ${(received / shipCount).toFixed(2)} packets a ship, pings and failover included\n`,
  )
  assert.ok(standstillMs <= limitMs, `standstill ${Math.round(standstillMs)} ms`)
})

test.run()
