// Allocations from a fleet that grows as it is used, while its controllers and schedulers are killed: audited.
//
// Simulated hosts with real sessions: what counts is what etcd has afterwards.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { suite } from 'uvu'
import { type RunnerKind, startRunner } from '../../infra/processes.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import type { Server } from '../../infra/stack/server.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf, type Client, connect } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import type { AllocationOrder, AllocationResult } from '../bench/allocationLoad.ts'
import { ApiProcess } from '../harness/apiProcess.ts'
import { adminToken, runnerToken } from '../harness/apiServer.ts'
import { shipsInEtcd } from '../harness/readyShips.ts'
import { type SimulatedHost, startHosts } from '../harness/simulatedHost.ts'
import { until } from '../harness/until.ts'

const test = suite('allocations while runners die')
const dist = join(import.meta.dirname, '..', '..', 'dist')
const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const requests = 300
const pool = 20

let scratch: Scratch
let stack: Stack
let apis: ApiProcess[] = []
let hosts: SimulatedHost[] = []
let admin: Client
const runners: Server[] = []

async function start(kind: RunnerKind, name: string): Promise<Server> {
  const api = apis[runners.length % apis.length]?.url as string
  const settings = { zookeeper: stack.zookeeper.address, api, runnerToken, sessionMs: 4_000 }
  const options = { dir: join(scratch.dir, name), dist, endWithParent: true, log }
  const runner = await startRunner(kind, { ...settings, logLevel: 'warn' as const }, options)
  runners.push(runner)
  return runner
}

test.before(async () => {
  scratch = await scratchDir()
  stack = await startStack({ dir: scratch.dir, profile: 'fast', log })
  apis = await Promise.all([1, 2].map(() => ApiProcess.start(stack)))
  const [{ url } = { url: '' }] = apis
  admin = connect({ url, token: adminToken, limitMs: 60_000 })
  hosts = await startHosts(6, (id) => ({ id, url, admin, zookeeper: stack.zookeeper.address }))
})

test.after(async () => {
  await Promise.all(hosts.map((host) => host.stop()))
  for (const runner of runners) await runner.kill()
  for (const api of apis) await api.kill()
  await stack?.stop()
  await scratch?.remove()
})

test('controllers and schedulers die in turn: every request gets a ship of its own, and the pool is filled again', async () => {
  const [controllers, scheduler] = [await start('controllers', 'c1'), await start('scheduler', 's1')]
  await start('controllers', 'c2')
  await start('scheduler', 's2')
  const json = { image: 'game:1', resources: { cpuMillis: 10, memoryMiB: 10 } }
  await answerOf(admin.v1.blueprints[':blueprint'].$put({ param: { blueprint: 'game' }, json }))
  const autoscale = { policy: { type: 'buffer' as const, size: pool }, min: pool, max: 1_000 }
  await answerOf(admin.v1.fleets.$post({ json: { name: 'lobby', blueprint: 'game', autoscale } }))
  const fleet = async () => answerOf(admin.v1.fleets[':fleet'].$get({ param: { fleet: 'lobby' } }))
  await until(async () => (await fleet()).ships.Ready === pool, 60_000)

  const load = fork(join(import.meta.dirname, '../bench/allocationLoad.ts'), {
    execArgv: ['--import', 'tsx'],
  })
  load.send({
    ...{ ports: apis.map(({ port }) => port), token: adminToken, clients: 32, keys: true },
    ...{ seconds: 120, perSecond: 30, most: requests },
    body: JSON.stringify({ selectors: [{ fleet: 'lobby' }], waitSeconds: 9 }),
  } satisfies AllocationOrder)
  const deaths = async () => {
    await sleep(2_000)
    await controllers.kill()
    await sleep(1_500)
    await scheduler.kill()
    await start('controllers', 'c3')
  }
  const [[result]] = (await Promise.all([once(load, 'message'), deaths()])) as [[AllocationResult], undefined]

  // Who waited in vain while nobody led was told so, and had no ship.
  const { 201: answered = 0, 429: refused = 0 } = result.statuses
  assert.equal(answered + refused, requests, JSON.stringify(result.statuses))
  assert.equal(result.given.length, answered)
  assert.ok(answered > pool, 'the fleet did not grow')
  await until(async () => (await fleet()).ships.Ready === pool, 60_000)
  const records = await shipsInEtcd(stack.etcd.address)
  const standing = records.flatMap(({ allocations = [] }) => allocations.map(({ id }) => id))
  assert.deepEqual(standing.sort(), result.given.map(({ id }) => id).sort())
  for (const { id, state, allocations = [] } of records) {
    assert.ok(allocations.length <= 1, `${id} was given ${allocations.length} times`)
    assert.equal(state, allocations.length === 1 ? 'Allocated' : 'Ready', id)
  }
  assert.equal(records.length, answered + pool)
  console.log(`${answered} given, ${refused} waited in vain, p50 ${Math.round(result.p50Ms)} ms`)
})

test.run()
