import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { countersOf, since } from '../harness/serverCounters.ts'
import { type SimulatedHost, startHosts } from '../harness/simulatedHost.ts'
import { TwoSchedulers } from '../harness/twoSchedulers.ts'
import { until } from '../harness/until.ts'

const given = process.argv.slice(2).map(Number)
const [hostCount = 200, shipCount = 4_000] = given
/** Small ones, and several at a time, so that tickets come without a pause. */
const perPost = 50
const posters = 4
const sessionMs = 4_000
const patienceMs = 60_000 + 30 * shipCount

const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const test = suite('many hosts')
let cluster: TwoSchedulers
let admin: Client
let hosts: SimulatedHost[] = []

interface Grant {
  host: string
  attempt: number
}

/** What hosts were granted, whatever the product says of it. */
const grants = new Map<string, Grant[]>()
/** When jobs arrived in boxes. */
const placedAtMs: number[] = []

test.before(async () => {
  cluster = await TwoSchedulers.open(log)
  const { url, zookeeper } = cluster
  admin = cluster.admin
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
  await cluster?.close()
})

test(`${hostCount} hosts, ${shipCount} ships: the leader is killed in the burst, and each is placed exactly once`, async () => {
  const first = await cluster.start(sessionMs)
  const json = {
    image: 'game:1',
    ports: [{ name: 'game', containerPort: 7_777 }],
    placement: { strategy: 'distributed' as const },
    resources: { cpuMillis: 10, memoryMiB: 10 },
  }
  await answerOf(admin.v1.blueprints[':blueprint'].$put({ param: { blueprint: 'game' }, json }))
  const before = await countersOf(cluster.zookeeper)
  const beganAtMs = performance.now()
  const made: string[] = []
  let left = shipCount
  const post = async () => {
    while (left > 0) {
      const count = Math.min(perPost, left)
      left -= count
      made.push(...(await cluster.create({ blueprint: 'game', count }, `burst-${left}`)))
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
  const { received } = since(before, await countersOf(cluster.zookeeper))
  process.stdout.write(
    `${grantedThen} ships were claimed at the kill; standstill ${Math.round(standstillMs)} ms; all ${shipCount} ` +
      `Ready after ${(tookMs / 1_000).toFixed(1)} s; ${(received / shipCount).toFixed(2)} packets a ship, pings and failover included\n`,
  )
  assert.ok(standstillMs <= limitMs, `standstill ${Math.round(standstillMs)} ms`)
})

test.run()
