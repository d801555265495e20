// Measures allocations: `npm run bench:allocations [-- ships seconds rounds]`.
//
// Two ApiServers as they are shipped, 64 clients, etcd that syncs to disk; all of them and the load on this machine.
// As fast as they come, then at 2,000 a second, with and without Idempotency-Keys, beside the bare rate of etcd for
// the same transactions. Every answer is then checked against etcd: no ship given twice.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectEtcd } from '../../functions/stores/etcd/etcd.ts'
import { startApi } from '../../infra/processes.ts'
import { freePort } from '../../infra/stack/port.ts'
import type { Server } from '../../infra/stack/server.ts'
import { startStack } from '../../infra/stack/stack.ts'
import { createLog } from '../../shared/log.ts'
import { adminToken, runnerToken } from '../harness/apiServer.ts'
import { shipsInEtcd, writeReadyShips } from '../harness/readyShips.ts'
import type { AllocationOrder, AllocationResult } from './allocationLoad.ts'
import { cpuMicros } from './cpu.ts'

const [ships = 20_000, seconds = 5, rounds = 3] = process.argv.slice(2).map(Number)
const goal = { perSecond: 5_000, pacedPerSecond: 2_000, p50Ms: 5, p99Ms: 20 }
const clients = 64
const log = createLog('bench', 'silent')
const dir = mkdtempSync(join(tmpdir(), 'armada-bench-'))
const stack = await startStack({ dir, profile: 'durable', log })
const fleet = 'arena'
const apis: Server[] = []
const ports: number[] = []

interface Measured extends AllocationResult {
  /** CPU for each allocation, in µs. */
  cpu: { apis: number; etcd: number; load: number }
}

async function load(change: Partial<AllocationOrder>): Promise<Measured> {
  // The same ships, back from their sessions: so that memory holds as many in each round.
  await writeReadyShips({ etcd: stack.etcd.address, count: ships, fleet, hosts: 200 })
  const process = fork(join(import.meta.dirname, 'allocationLoad.ts'), { execArgv: ['--import', 'tsx'] })
  const order: AllocationOrder = {
    ...{ ports, token: adminToken, clients, seconds, most: ships, keys: false },
    body: JSON.stringify({ selectors: [{ fleet, matchLabels: { mode: 'duel' } }] }),
    ...change,
  }
  // Until all of them are in the memory of both.
  const headers = { authorization: `Bearer ${adminToken}` }
  for (const port of ports)
    await fetch(`http://127.0.0.1:${port}/v1/ships?limit=1&consistent=true`, { headers }).then((one) =>
      one.text(),
    )
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  const pids = { apis: apis.map(({ pid }) => pid), etcd: [stack.etcd.pid], load: [process.pid] }
  const used = (all: readonly (number | undefined)[]) =>
    all.reduce<number>((sum, pid) => sum + cpuMicros(pid as number), 0)
  const before = { apis: used(pids.apis), etcd: used(pids.etcd), load: used(pids.load) }
  process.send(order)
  const [result] = (await once(process, 'message')) as [AllocationResult]
  const each = (part: keyof typeof pids) => (used(pids[part]) - before[part]) / result.count
  const cpu = { apis: each('apis'), etcd: each('etcd'), load: each('load') }
  process.disconnect()
  await audit(result)
  return { ...result, cpu }
}

/** Each that was answered stands on its ship, alone. */
async function audit({ given }: AllocationResult): Promise<void> {
  const standing = new Map<string, number>()
  for (const { allocations = [] } of await shipsInEtcd(stack.etcd.address)) {
    for (const { id } of allocations) standing.set(id, allocations.length)
  }
  const wrong = given.filter(({ id }) => standing.get(id) !== 1)
  if (wrong.length > 0) process.stdout.write(`${wrong.length} NOT ALONE ON THEIR SHIPS: ${wrong[0]?.id}\n`)
}

/** Transactions that change one record at its revision, as many at once as there are clients, one each in a commit. */
async function bare(): Promise<number> {
  const kv = connectEtcd(stack.etcd.address)
  const value = 'x'.repeat(1_200)
  let count = 0
  const endMs = performance.now() + seconds * 1_000
  await Promise.all(
    Array.from({ length: clients }, async (_, i) => {
      const key = `/bare/${i}`
      let revision = (await kv.commit([], [{ put: key, value }])) as number
      for (; performance.now() < endMs; count++)
        revision = (await kv.commit([{ key, revision }], [{ put: key, value }])) as number
    }),
  )
  kv.close()
  return count / seconds
}

const median = <T>(all: readonly T[], by: (one: T) => number) =>
  [...all].sort((a, b) => by(a) - by(b))[Math.floor(all.length / 2)] as T

function show(name: string, { perSecond, p50Ms, p99Ms, statuses, broken, cpu }: Measured): void {
  const figures = [
    `${perSecond.toFixed(0)}/s`,
    `p50 ${p50Ms.toFixed(2)} ms`,
    `p99 ${p99Ms.toFixed(2)} ms`,
    `CPU ${cpu.apis.toFixed(0)} + ${cpu.etcd.toFixed(0)} + ${cpu.load.toFixed(0)} µs`,
    Object.entries(statuses)
      .map(([status, count]) => `${count} × ${status}`)
      .join(', '),
  ]
  process.stdout.write(`${name.padEnd(34)}${figures.map((one) => one.padStart(16)).join('')}`)
  process.stdout.write(broken > 0 ? `  ${broken} BROKEN\n` : '\n')
}

try {
  const { etcd, redis, zookeeper } = stack
  const stores = { etcd: etcd.address, redis: redis.address, zookeeper: zookeeper.address }
  const dist = join(import.meta.dirname, '..', '..', 'dist')
  for (const name of ['one', 'two']) {
    const listenPort = await freePort()
    ports.push(listenPort)
    const settings = { ...stores, adminToken, runnerToken, listenPort }
    apis.push(await startApi(settings, { dir: join(dir, name), dist, endWithParent: true, log }))
  }
  // Until the compiler is done: an ApiServer's first 40,000 allocations take a fifth more of a processor each.
  for (const change of [{}, {}, { perSecond: goal.pacedPerSecond }]) await load(change)
  const kinds = {
    'as fast as they come': {},
    'the same with Idempotency-Keys': { keys: true },
    '2,000/s': { perSecond: goal.pacedPerSecond },
    '2,000/s with Idempotency-Keys': { perSecond: goal.pacedPerSecond, keys: true },
  }
  const results = new Map<string, Measured[]>()
  const floors: number[] = []
  for (let round = 1; round <= rounds; round++) {
    floors.push(await bare())
    for (const [kind, change] of Object.entries(kinds)) {
      const result = await load(change)
      results.set(kind, [...(results.get(kind) ?? []), result])
      show(`${kind}, round ${round}`, result)
    }
  }
  const floor = median(floors, (one) => one)
  process.stdout.write(
    `\nmedians of ${rounds} rounds; ${ships} Ready ships on 200 hosts, 2 ApiServers, ${clients} clients; CPU of both ApiServers + etcd + the load\n`,
  )
  process.stdout.write(`bare etcd, one record a transaction  ${floor.toFixed(0)}/s\n`)
  const medians = new Map([...results].map(([kind, all]) => [kind, median(all, (one) => one.p99Ms)]))
  for (const [kind, result] of medians) show(kind, result)
  const [fast, paced] = [medians.get('as fast as they come'), medians.get('2,000/s')]
  const met = (holds: boolean | undefined) => (holds ? 'met' : 'NOT met')
  process.stdout.write(`${goal.perSecond}/s: ${met(fast && fast.perSecond >= goal.perSecond)}; `)
  const inTime = paced && paced.p50Ms <= goal.p50Ms && paced.p99Ms <= goal.p99Ms
  process.stdout.write(`p50 <= ${goal.p50Ms} ms and p99 <= ${goal.p99Ms} ms at 2,000/s: ${met(inTime)}\n`)
} finally {
  for (const api of apis) await api.kill()
  await stack.stop()
  rmSync(dir, { recursive: true, force: true })
}
process.exit()
