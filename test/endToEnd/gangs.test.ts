// A burst of gangs that do not all fit, and the leading scheduler killed in the middle of it: no half gang stays.
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApi, startRunner } from '../../infra/processes.ts'
import { freePort } from '../../infra/stack/port.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import type { Server } from '../../infra/stack/server.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { allOf, answerOf, type Client, connect } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { adminToken, runnerToken } from '../harness/apiServer.ts'
import { SimulatedHost, type SimulatedHostOptions } from '../harness/simulatedHost.ts'
import { until } from '../harness/until.ts'

const hostCount = 12
const shipsOnHost = 40
const gangCount = 50
const gangSize = 12
const patienceMs = 90_000

const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const dist = join(import.meta.dirname, '..', '..', 'dist')
const test = suite('gangs')
const servers: Server[] = []
const hosts: SimulatedHost[] = []
/** Where each ship was granted, whatever the product says of it. */
const grants = new Map<string, Set<string>>()
let scratch: Scratch
let stack: Stack
let zk: ZooKeeper
let admin: Client
let startScheduler: (name: string) => Promise<Server>
let addHost: (id: string) => Promise<void>

/** Asks again, with the same key, when a connection breaks or a store is too busy. */
async function createGang(key: string): Promise<string[]> {
  const json = { blueprint: 'match', count: gangSize, gang: true }
  for (let tries = 1; ; tries++) {
    try {
      const made = await answerOf(admin.v1.ships.$post({ json, header: { 'idempotency-key': key } }))
      return made.ships.map((ship) => ship.id)
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
    const options = { zookeeper, api: url, runnerToken, sessionMs: 4_000, logLevel: 'warn' as const }
    const server = await startRunner('scheduler', options, { ...launch, dir: join(scratch.dir, name) })
    servers.push(server)
    return server
  }
  const onGranted: SimulatedHostOptions['onGranted'] = (ship, attempt, host) => {
    grants.set(ship, (grants.get(ship) ?? new Set()).add(`${host} ${attempt}`))
  }
  const capacity = { cpuMillis: 100 * shipsOnHost, memoryMiB: 100 * shipsOnHost }
  addHost = async (id) => {
    hosts.push(
      await SimulatedHost.start({ ...{ id, url, admin, zookeeper, onGranted }, change: { capacity } }),
    )
  }
  for (let i = 0; i < hostCount; i++) await addHost(`host-${i}`)
  const json = {
    image: 'game:1',
    ports: [{ name: 'game', containerPort: 7_777 }],
    placement: { strategy: 'distributed' as const },
    resources: { cpuMillis: 100, memoryMiB: 100 },
  }
  await answerOf(admin.v1.blueprints[':blueprint'].$put({ param: { blueprint: 'match' }, json }))
})

test.after(async () => {
  await Promise.all(hosts.map((host) => host.stop()))
  await zk?.close()
  for (const server of servers.reverse()) await server.kill()
  await stack?.stop()
  await scratch?.remove()
})

test('the leader is killed while gangs are placed: each goes whole and once, or waits whole until there is room', async () => {
  const first = await startScheduler('first')
  await until(async () => (await candidates()) === 1, 30_000)
  await startScheduler('second')
  await until(async () => (await candidates()) === 2, 30_000)

  const gangs: string[][] = []
  const keys = Array.from({ length: gangCount }, (_, i) => `gang-${i}`).values()
  const post = async () => {
    for (const key of keys) gangs.push(await createGang(key))
  }
  const posted = Promise.all([post(), post(), post(), post()])
  const room = hostCount * shipsOnHost
  await until(() => grants.size > room / 4, patienceMs)
  await first.kill()
  await posted
  await until(() => grants.size >= room, patienceMs)
  await until(async () => (await reasons()).length === gangCount * gangSize - room, patienceMs)

  const grantedOf = (gang: readonly string[]) => gang.filter((ship) => grants.has(ship)).length
  const parts = gangs.map(grantedOf)
  assert.is(parts.filter((part) => part === gangSize).length, room / gangSize)
  assert.is(parts.filter((part) => part === 0).length, gangCount - room / gangSize)
  await until(
    async () => (await reasons()).every((reason) => reason?.startsWith('room for 0 of 12 ')),
    30_000,
  )

  for (let i = 0; i < 3; i++) await addHost(`more-${i}`)
  await until(() => grants.size === gangCount * gangSize, patienceMs)
  for (const ship of gangs.flat()) assert.is(grants.get(ship)?.size, 1, `${ship} was granted twice`)
})

async function reasons(): Promise<(string | null)[]> {
  const query = { fieldSelector: 'state=Queued', limit: '200' }
  const ships = await allOf(
    (page) => admin.v1.ships.$get({ query: { ...query, ...page } }),
    (page) => page.ships,
  )
  return ships.map(({ reason }) => reason)
}

test.run()
