// Measures lookups of ships beside a bare HTTP server: `npm run bench:lookups [-- rounds seconds accessLog]`.
//
// Real stores, the ApiServer as it is shipped, 10,000 ships that have samples; server and load in processes of
// their own, on loopback. The two are measured in turn, so that what else the machine does meets both.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { startApi } from '../../infra/processes.ts'
import { freePort } from '../../infra/stack/port.ts'
import { scratchDir } from '../../infra/stack/scratch.ts'
import { startStack } from '../../infra/stack/stack.ts'
import { answerOf, connect } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import type { BareAnswer } from './bare.ts'
import { cpuMicros } from './cpu.ts'
import type { LoadOrder, LoadResult } from './load.ts'

const [rounds = 5, seconds = 4] = process.argv.slice(2, 4).map(Number)
const accessLog = process.argv[4] ?? 'all'
const connections = 64
const batches = 10
const perBatch = 1_000
/** Node writes these itself. */
const perConnection = new Set(['connection', 'keep-alive', 'date'])
const goal = { perSecond: 15_000, p99Ms: 10 }

const dist = join(import.meta.dirname, '..', '..', 'dist')
const log = createLog('bench', 'silent')
const adminToken = 'bench-admin-token-0123456789'
const runnerToken = 'bench-runner-token-0123456789'

function start(file: string): ChildProcess {
  return fork(join(import.meta.dirname, file), { execArgv: ['--import', 'tsx'] })
}

interface Measured extends LoadResult {
  cpuMicros: number
}

async function measure(pid: number, order: LoadOrder): Promise<Measured> {
  const before = cpuMicros(pid)
  const load = start('load.ts')
  load.send(order)
  const [result] = (await once(load, 'message')) as [LoadResult]
  await once(load, 'exit')
  return { ...result, cpuMicros: (cpuMicros(pid) - before) / result.count }
}

/** Ids of ships that were made and measured. */
async function fill(url: string): Promise<string[]> {
  const { v1 } = connect({ url, token: adminToken, limitMs: 60_000 })
  await answerOf(
    v1.blueprints[':blueprint'].$put({ param: { blueprint: 'arena' }, json: { image: 'game:1' } }),
  )
  const ids: string[] = []
  for (let i = 0; i < batches; i++) {
    const { ships } = await answerOf(
      v1.ships.$post({ json: { blueprint: 'arena', count: perBatch, labels: { mode: 'duel' } }, header: {} }),
    )
    ids.push(...ships.map((ship) => ship.id))
  }
  await measureShips(url, ids)
  return ids
}

/** A host takes them all and says what it measured, as an agent would. */
async function measureShips(url: string, ids: readonly string[]): Promise<void> {
  const as = (token: string) => connect({ url, token, limitMs: 60_000 }).v1
  const host = { id: 'bench', address: '127.0.0.1', ports: { from: 7_000, to: 8_000 }, agentVersion: 'bench' }
  const capacity = { cpuMillis: 1_000_000, memoryMiB: 1_000_000 }
  const { token } = await answerOf(as(adminToken).hosts['join-tokens'].$post({ json: { host: host.id } }))
  const joining = as('').monitor.join.$post({ json: { token, host: { ...host, capacity } } })
  const { monitor } = as((await answerOf(joining)).credential)
  const measured = { players: 3, maxPlayers: 16, map: 'dm1', cpuMillis: 41.5, memoryMiB: 63 }
  for (let i = 0; i < ids.length; i += perBatch) {
    const some = ids.slice(i, i + perBatch).map((ship) => ({ ship, attempt: 1 }))
    const claims = some.map((of) => ({ ...of, ports: {} }))
    await answerOf(monitor.claims.$post({ json: { claims } }))
    const changes = some.map((of) => ({ ...of, state: 'Ready' as const }))
    const ships = some.map(({ ship }) => ({ ship, ...measured }))
    await answerOf(monitor.reports.$post({ json: { changes, holdings: null, host: null, ships } }))
  }
}

function median(results: readonly Measured[]): Measured {
  return [...results].sort((a, b) => a.perSecond - b.perSecond)[Math.floor(results.length / 2)] as Measured
}

function show(name: string, { perSecond, p50Ms, p99Ms, failures, cpuMicros }: Measured): void {
  const figures = [
    `${perSecond.toFixed(0)}/s`,
    `p50 ${p50Ms.toFixed(2)} ms`,
    `p99 ${p99Ms.toFixed(2)} ms`,
    `${cpuMicros.toFixed(0)} µs CPU`,
  ]
  process.stdout.write(`${name.padEnd(22)}${figures.map((one) => one.padStart(15)).join('')}`)
  process.stdout.write(failures > 0 ? `   ${failures} FAILED\n` : '\n')
}

const scratch = await scratchDir()
const stack = await startStack({ dir: scratch.dir, profile: 'fast', log })
const port = await freePort()
const stores = { etcd: stack.etcd.address, redis: stack.redis.address, zookeeper: stack.zookeeper.address }
const api = await startApi(
  { ...stores, listenPort: port, adminToken, runnerToken, accessLog: accessLog as 'all' },
  { dir: scratch.dir, dist, endWithParent: true, log },
)
const bare = start('bare.ts')
try {
  const url = `http://127.0.0.1:${port}`
  const paths = (await fill(url)).map((id) => `/v1/ships/${id}`)
  const one = await fetch(url + paths[0], { headers: { authorization: `Bearer ${adminToken}` } })
  const headers = Object.fromEntries([...one.headers].filter(([name]) => !perConnection.has(name)))
  bare.send({ body: await one.text(), headers } satisfies BareAnswer)
  const [barePort] = (await once(bare, 'message')) as [number]
  const order = { token: adminToken, paths, connections, seconds }
  await measure(api.pid as number, { ...order, port, seconds: 2 }) // warms up the compiler
  const results: Record<'bare' | 'lookups', Measured[]> = { bare: [], lookups: [] }
  for (let round = 1; round <= rounds; round++) {
    results.bare.push(await measure(bare.pid as number, { ...order, port: barePort }))
    results.lookups.push(await measure(api.pid as number, { ...order, port }))
    show(`bare, round ${round}`, results.bare.at(-1) as Measured)
    show(`lookups, round ${round}`, results.lookups.at(-1) as Measured)
  }
  const [floor, lookups] = [median(results.bare), median(results.lookups)]
  process.stdout.write(`\n${paths.length} ships, ${connections} connections; medians of ${rounds} rounds\n`)
  show('bare', floor)
  show('lookups', lookups)
  const share = ((100 * lookups.perSecond) / floor.perSecond).toFixed(0)
  const met = lookups.perSecond >= goal.perSecond && lookups.p99Ms <= goal.p99Ms
  process.stdout.write(
    `lookups are ${share} % of bare; ${goal.perSecond}/s with p99 <= ${goal.p99Ms} ms: ${met ? 'met' : 'NOT met'}\n`,
  )
} finally {
  bare.disconnect()
  await api.stop()
  await stack.stop()
  await scratch.remove()
}
process.exit()
