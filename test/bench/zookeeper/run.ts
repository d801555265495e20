// Measures what ships cost ZooKeeper, by its own counters: `npm run bench:zookeeper [-- hosts ships seconds]`.
//
// A real ZooKeeper, etcd, Redis, ApiServer, scheduler and controllers; the hosts are simulated but for what
// ZooKeeper and the ApiServer see of them (test/harness/simulatedHost.ts). Each phase lasts equally long, an
// idle one first: its packets, which are pings, are taken off those of the others. A session that asks something
// sends its next ping later, so with the usual sessions too much would be taken off: here they are long, and
// pings so rare that it makes no difference.
import { join } from 'node:path'
import { startApi, startRunner } from '../../../infra/processes.ts'
import { freePort } from '../../../infra/stack/port.ts'
import { scratchDir } from '../../../infra/stack/scratch.ts'
import { startStack } from '../../../infra/stack/stack.ts'
import { answerOf, connect } from '../../../shared/api/client.ts'
import { createLog } from '../../../shared/log.ts'
import { sleep } from '../../../shared/loop.ts'
import { type Counters, countersOf, since } from '../../harness/serverCounters.ts'
import { type SimulatedHost, startHosts } from '../../harness/simulatedHost.ts'
import { until } from '../../harness/until.ts'

const given = process.argv.slice(2, 5).map(Number)
const [hostCount = 100, shipCount = 1_000, seconds = 20] = given
const sessionMs = 600_000
const targets = { ownHost: 2.2, spread: 0.3 }

const dist = join(import.meta.dirname, '..', '..', '..', 'dist')
const log = createLog('bench', process.env.ARMADA_LOG ?? 'silent')
const adminToken = 'bench-admin-token-0123456789'
const runnerToken = 'bench-runner-token-0123456789'

const scratch = await scratchDir()
const stack = await startStack({ dir: scratch.dir, profile: 'fast', sessionTickMs: sessionMs / 20, log })
const zookeeper = stack.zookeeper.address
const listenPort = await freePort()
const url = `http://127.0.0.1:${listenPort}`
const launch = { dir: scratch.dir, dist, endWithParent: true, log }
const stores = { etcd: stack.etcd.address, redis: stack.redis.address, zookeeper, sessionMs }
const api = await startApi({ ...stores, listenPort, adminToken, runnerToken, logLevel: 'warn' }, launch)
const runners = await Promise.all(
  (['scheduler', 'controllers'] as const).map((kind) =>
    startRunner(kind, { zookeeper, sessionMs, api: url, runnerToken, logLevel: 'warn' }, launch),
  ),
)
const admin = connect({ url, token: adminToken, limitMs: 60_000 })
const spread = new Map<string, string>()
let hosts: SimulatedHost[] = []

/** Runs the work, then waits until the phase is over. */
async function phase(work: () => Promise<void>): Promise<Counters> {
  const before = await countersOf(zookeeper)
  const endMs = performance.now() + seconds * 1_000
  await work()
  const leftMs = endMs - performance.now()
  if (leftMs < 0) throw new Error(`the work took longer than ${seconds} s: give more seconds`)
  await sleep(leftMs)
  return since(before, await countersOf(zookeeper))
}

/** Resolves when the ships, made with one request for each `perPost`, are all Ready. */
async function ready(count: number, perPost: number): Promise<void> {
  const ids = new Set<string>()
  for (let left = count; left > 0; left -= perPost) {
    const json = { blueprint: 'game', count: Math.min(perPost, left) }
    const { ships } = await answerOf(admin.v1.ships.$post({ json, header: {} }))
    for (const ship of ships) ids.add(ship.id)
  }
  await until(() => [...ids].every((id) => spread.has(id)), seconds * 1_000)
  await until(() => hosts.every((host) => host.outbox.size === 0), seconds * 1_000)
}

function show(name: string, ships: number, idle: Counters, phase: Counters, target?: number): boolean {
  const perShip = (phase.received - idle.received) / ships
  const writes = (phase.transactions - idle.transactions) / ships
  const figures = `${perShip.toFixed(3).padStart(7)} requests and ${writes.toFixed(3).padStart(6)} writes a ship`
  const met = target === undefined || perShip <= target
  const verdict = target === undefined ? '' : `   (at most ${target}: ${met ? 'met' : 'NOT met'})`
  process.stdout.write(`${name.padEnd(46)}${figures}${verdict}\n`)
  return met
}

try {
  const placement = { strategy: 'distributed' as const }
  const ports = [{ name: 'game', containerPort: 7_777 }]
  const json = { image: 'game:1', ports, placement, resources: { cpuMillis: 10, memoryMiB: 10 } }
  await answerOf(admin.v1.blueprints[':blueprint'].$put({ param: { blueprint: 'game' }, json }))
  hosts = await startHosts(hostCount, (id) => ({
    ...{ id, url, admin, zookeeper, sessionMs },
    onGranted: (ship, _attempt, host) => spread.set(ship, host),
  }))
  await sleep(3_000)
  const idle = await phase(async () => undefined)
  process.stdout.write(
    `${hostCount} hosts; idle for ${seconds} s: ${idle.received} packets, all of them pings\n`,
  )
  const own = await phase(() => ready(hostCount, hostCount))
  const used = new Set(spread.values()).size
  if (used !== hostCount) throw new Error(`${hostCount} ships went to ${used} hosts`)
  const many = await phase(() => ready(shipCount, 1_000))
  const single = await phase(() => ready(hostCount, 1))
  const ending = await phase(async () => {
    for (const host of hosts) host.end(host.roster.list().map(({ grant }) => grant.ship))
    await until(() => hosts.every((host) => host.outbox.size === 0), seconds * 1_000)
  })
  const met = [
    show(`${hostCount} ships, each to its own host`, hostCount, idle, own, targets.ownHost),
    show(`${shipCount} ships over ${hostCount} hosts`, shipCount, idle, many, targets.spread),
  ]
  show(`${hostCount} ships, one POST after the other`, hostCount, idle, single)
  show(`${spread.size} ships end, all of a host together`, spread.size, idle, ending)
  if (met.includes(false)) process.exitCode = 1
} finally {
  await Promise.all(hosts.map((host) => host.stop()))
  for (const runner of runners) await runner.stop()
  await api.stop()
  await stack.stop()
  await scratch.remove()
}
process.exit()
