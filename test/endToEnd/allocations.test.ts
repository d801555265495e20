// Allocations in a crowd, audited: 64 clients at two ApiServers, who die in the middle, as Redis does.
// What counts is what etcd has afterwards.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { suite } from 'uvu'
import { scratchDir } from '../../infra/stack/scratch.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { createLog } from '../../shared/log.ts'
import type { AllocationOrder, AllocationResult } from '../bench/allocationLoad.ts'
import { ApiProcess } from '../harness/apiProcess.ts'
import { adminToken } from '../harness/apiServer.ts'
import { shipsInEtcd, writeReadyShips } from '../harness/readyShips.ts'
import { until } from '../harness/until.ts'

const test = suite('allocations in a crowd')
const clients = 64

let scratch: Awaited<ReturnType<typeof scratchDir>>
let stack: Stack
let apis: ApiProcess[] = []

test.before(async () => {
  scratch = await scratchDir()
  stack = await startStack({ dir: scratch.dir, profile: 'fast', log: createLog('test', 'silent') })
  apis = await Promise.all([1, 2].map(() => ApiProcess.start(stack)))
})
test.after(async () => {
  for (const api of apis) await api.kill()
  await stack?.stop()
  await scratch?.remove()
})

interface Crowd {
  fleet: string
  ships: number
  requests: number
  order?: Partial<AllocationOrder>
  /** Happens beside it. */
  meanwhile?: () => Promise<void>
}

async function crowd({ fleet, ships, requests, order, meanwhile }: Crowd): Promise<AllocationResult> {
  await writeReadyShips({ etcd: stack.etcd.address, count: ships, fleet, hosts: 50 })
  const load = fork(join(import.meta.dirname, '../bench/allocationLoad.ts'), {
    execArgv: ['--import', 'tsx'],
  })
  load.send({
    ...{
      ports: apis.map(({ port }) => port),
      token: adminToken,
      clients,
      seconds: 300,
      most: requests,
      keys: true,
    },
    body: JSON.stringify({ selectors: [{ fleet }] }),
    ...order,
  } satisfies AllocationOrder)
  const [[result]] = await Promise.all([once(load, 'message'), meanwhile?.()])
  return result as AllocationResult
}

/** No ship twice, nothing that was answered is missing, nothing stands there that nobody was told of. */
async function audit(fleet: string, ships: number, { given, refusedAtMs }: AllocationResult): Promise<void> {
  const records = (await shipsInEtcd(stack.etcd.address)).filter((ship) => ship.fleet === fleet)
  const standing = records.flatMap(({ allocations = [] }) => allocations.map(({ id }) => id))
  for (const { id, allocations = [], state } of records) {
    assert.ok(allocations.length <= 1, `${id} was given ${allocations.length} times`)
    assert.equal(state, allocations.length === 1 ? 'Allocated' : 'Ready')
  }
  const told = [...new Set(given.map(({ id }) => id))]
  assert.equal(told.length, given.length, 'two requests were given the same')
  assert.deepEqual(standing.sort(), told.sort())
  // "None is free" is a lie while fewer had been asked for than there are.
  for (const atMs of refusedAtMs) {
    const asked = given.filter(({ askedAtMs }) => askedAtMs < atMs).length
    assert.ok(asked >= ships, `refused when only ${asked} of ${ships} ships had been asked for`)
  }
}

test('more requests than ships: each ship once, and "none is free" only when it is so', async () => {
  const [ships, more] = [20_000, 300]
  const result = await crowd({ fleet: 'race', ships, requests: ships + more })
  await audit('race', ships, result)
  assert.deepEqual(result.statuses, { 201: ships, 429: more })
  console.log(
    `${Math.round(result.perSecond)}/s, p50 ${result.p50Ms.toFixed(1)} ms, p99 ${result.p99Ms.toFixed(1)} ms`,
  )
})

test('an ApiServer dies, Redis is emptied, dies and comes back empty: none twice, none lost', async () => {
  const ships = 1_500
  const result = await crowd({
    ...{ fleet: 'deaths', ships, requests: ships + 50 },
    order: { perSecond: 400 },
    async meanwhile() {
      const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
      await pause(1_500)
      const redis = new Redis(stack.redis.address)
      await redis.flushall()
      redis.disconnect()
      const [first] = apis
      await first?.kill()
      await pause(500)
      await stack.redis.kill()
      await pause(500)
      await stack.redis.restart()
      const again = new Redis(stack.redis.address)
      await until(async () => (await again.dbsize()) > 0)
      again.disconnect()
    },
  })
  await audit('deaths', ships, result)
  assert.ok(result.broken > 0, 'nobody noticed')
  assert.deepEqual(result.statuses, { 201: ships, 429: 50 })
})

test.run()
