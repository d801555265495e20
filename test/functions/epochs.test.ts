// Epochs: who gets one, and that leaders lead on when ZooKeeper has lost all its data while etcd lives.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { run } from '../../functions/runners/runner.ts'
import { scratchDir } from '../../infra/stack/scratch.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { readSettings } from '../../shared/settings.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { elections, paths, roots } from '../../shared/zookeeper/paths.ts'
import { type ApiServer, runnerToken, startApiServer } from '../harness/apiServer.ts'
import { takeWith } from '../harness/office.ts'
import { boardShips, describeHost, joinHost, publish, refused, shipAt } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'
import { ZooKeeperServer } from '../harness/zookeeper.ts'

const test = suite('epochs')
const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const sessionMs = 2_000
let scratch: Awaited<ReturnType<typeof scratchDir>>
let server: ZooKeeperServer
let stack: Stack
let a: ApiServer
let b: ApiServer

test.before(async () => {
  scratch = await scratchDir()
  server = await ZooKeeperServer.start()
  stack = await startStack({
    dir: scratch.dir,
    profile: 'fast',
    addresses: { zookeeper: server.address },
    log,
  })
  ;[a, b] = await Promise.all([startApiServer(stack), startApiServer(stack)])
})
test.after(async () => {
  await Promise.all([a?.close(), b?.close()])
  await stack?.stop()
  await server?.stop()
  await scratch?.remove()
})

const open = () => ZooKeeper.connect({ servers: server.address, sessionTimeoutMs: sessionMs, log })
const candidate = async (zk: ZooKeeper) => {
  const path = await zk.create(`${elections.scheduler}/c-`, 'test', 'ephemeral_sequential')
  return path.slice(elections.scheduler.length + 1)
}
const reportAs = (api: ApiServer, epoch: number) =>
  answerOf(api.runner.v1.placements.$post({ json: { epoch, placed: [], refused: [], waiting: ['nothing'] } }))

test('only the node that leads gets an epoch, the same one each time; its successor gets a higher one', async () => {
  const zk = await open()
  await refused(takeWith('c-0000000000', 'scheduler', a.runner), 'conflict', /nobody leads/)
  const [first, second] = [await candidate(zk), await candidate(zk)]
  await refused(takeWith(second, 'scheduler', a.runner), 'conflict', /ARMADA_ZOOKEEPER/)
  const asked = await Promise.all(
    Array.from({ length: 10 }, (_, i) => takeWith(first, 'scheduler', (i % 2 ? a : b).runner)),
  )
  const [epoch] = asked as [number]
  assert.equal(new Set(asked).size, 1)
  await reportAs(b, epoch)
  await refused(reportAs(b, Number.MAX_SAFE_INTEGER), 'stale_epoch')
  await zk.delete(`${elections.scheduler}/${first}`)
  await reportAs(a, epoch)
  const next = await takeWith(second, 'scheduler', b.runner)
  assert.ok(next > epoch)
  await refused(reportAs(a, epoch), 'stale_epoch', /Step down/)
  await refused(takeWith(first, 'scheduler', a.runner), 'conflict')
  await reportAs(a, next)
  await refused(takeWith(second, 'scheduler', a.admin), 'forbidden')
  await zk.close()
})

test('while ZooKeeper does not answer nobody takes over, and who has the office keeps it', async () => {
  const epoch = await a.lead('scheduler')
  server.pause()
  try {
    const response = await fetch(`${a.url}/v1/offices/scheduler`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${runnerToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ node: 'c-somebody-0000000000' }),
    })
    assert.equal(response.status, 503)
    assert.ok(Number(response.headers.get('retry-after')) > 0)
    await reportAs(b, epoch)
  } finally {
    server.resume()
  }
})

test('ZooKeeper loses its data: leaders lead again by themselves, old ones are refused, ships keep', async () => {
  const spec = { lifecycle: { hostLost: { policy: 'replace', afterMs: 4_000 } } }
  await publish(a, 'arena', spec)
  const names = ['one', 'two', 'three', 'dead']
  const ships = new Map<string, string[]>()
  const hosts = new Map<string, Awaited<ReturnType<typeof joinHost>>['client']>()
  for (const name of names) {
    const { client } = await joinHost(a, name)
    hosts.set(name, client)
    ships.set(name, await boardShips(a, client, 2))
  }
  const zk = await open()
  const appear = async (name: string) => {
    await zk.ensurePath(paths.workerQueue(name))
    await zk.set(paths.worker(name), JSON.stringify(describeHost(name)))
    await zk.create(paths.workerPresence(name), '', 'ephemeral')
  }
  const living = names.filter((name) => name !== 'dead')
  for (const name of names) await appear(name)

  const settings = readSettings('runner', {
    ARMADA_ZOOKEEPER: server.address,
    ARMADA_SESSION_MS: String(sessionMs),
    ARMADA_API: a.url,
    ARMADA_RUNNER_TOKEN: runnerToken,
    ARMADA_UNCLAIMED_MS: '60000',
  })
  const old = await a.lead('scheduler')
  const stop = new AbortController()
  const running = run(['scheduler', 'controllers'], settings, log, stop.signal)
  const epochs = () => ({
    scheduler: a.stores.epochs.table.get('scheduler')?.revision ?? 0,
    controllers: a.stores.epochs.table.get('controllers')?.revision ?? 0,
  })
  const taken = (before: ReturnType<typeof epochs>) =>
    epochs().scheduler > before.scheduler && epochs().controllers > before.controllers
  try {
    for (const path of Object.values(elections))
      for (const name of (await zk.children(path)) ?? []) await zk.delete(`${path}/${name}`)
    await until(() => epochs().scheduler > old && epochs().controllers > 0, 20_000)
    const before = epochs()

    await server.wipe()
    await server.restart()
    await until(() => zk.state === 'connected', 20_000)
    for (const path of roots) await zk.ensurePath(path)
    for (const name of living) await appear(name)
    await until(() => taken(before), 30_000)
    await refused(reportAs(b, before.scheduler), 'stale_epoch')
    await refused(reportAs(b, old), 'stale_epoch')

    // The scheduler works: a new ship reaches the queue of a host.
    const { ships: made } = await answerOf(
      a.admin.v1.ships.$post({ json: { blueprint: 'arena', count: 1 }, header: {} }),
    )
    await until(async () => (await shipAt(b, made[0]?.id as string)).state === 'Scheduled', 30_000)
    // The controllers work: what was aboard the host that never came back is moved to one that lives.
    for (const id of ships.get('dead') ?? []) {
      await until(async () => {
        const { host, attempt, state } = await shipAt(b, id)
        return attempt === 2 && state === 'Scheduled' && living.includes(host ?? '')
      }, 60_000)
    }
    for (const name of living) {
      for (const id of ships.get(name) ?? []) {
        const { host, attempt, state } = await shipAt(b, id)
        assert.deepEqual({ host, attempt, state }, { host: name, attempt: 1, state: 'Ready' })
      }
    }
  } finally {
    stop.abort()
    await running
    await zk.close()
  }
})

test.run()
