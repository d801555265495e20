// The scheduler on a real ZooKeeper, with an ApiServer that only listens.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { takeOffice } from '../../../../functions/runners/leadership.ts'
import { schedule } from '../../../../functions/runners/scheduler/schedule.ts'
import { connect } from '../../../../shared/api/client.ts'
import { gangFor, shipsOfGang } from '../../../../shared/model/gang.ts'
import { encodeJobs } from '../../../../shared/model/job.ts'
import { ZooKeeper } from '../../../../shared/zookeeper/client.ts'
import { stand } from '../../../../shared/zookeeper/election.ts'
import { paths } from '../../../../shared/zookeeper/paths.ts'
import { until } from '../../../harness/until.ts'
import { Recorder } from '../recorder.ts'
import { demand, hostNamed, quiet, Tree, ticket, ZooKeeperServer } from '../tree.ts'

const scheduler = suite('scheduler on ZooKeeper')
const closing: (() => unknown)[] = []
let server: ZooKeeperServer

/** A tree of its own, a recorder, and a scheduler that leads. */
async function scene() {
  const { tree, address } = await Tree.open(server)
  const recorder = new Recorder()
  const url = await recorder.start()
  const zk = await ZooKeeper.connect({ servers: address, log: quiet, sessionTimeoutMs: 4_000 })
  const stop = new AbortController()
  const epochs: number[] = []
  const begin = () =>
    stand(zk, paths.schedulerElection, { id: 'test', signal: stop.signal, log: quiet }, async (won) => {
      const client = connect({ url })
      const leadership = await takeOffice('scheduler', won, { client, log: quiet })
      epochs.push(leadership.epoch)
      await schedule({ zk, client, log: quiet }, leadership)
    })
  closing.push(async () => {
    stop.abort()
    await zk.close()
    await tree.zk.close()
    await recorder.stop()
  })
  return { tree, recorder, zk, begin, epochs, address, url }
}

scheduler.before(async () => {
  server = await ZooKeeperServer.start()
})
scheduler.after.each(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})
scheduler.after(() => server.stop())

scheduler('places a burst of 2,000 tickets over 50 hosts exactly once, with few requests', async () => {
  const { tree, recorder, zk, begin } = await scene()
  const hosts = Array.from({ length: 50 }, (_, i) => `host-${i}`)
  for (const host of hosts) await tree.join(hostNamed(host))
  const running = begin()
  await until(() => zk.requests.exists > 50)
  const before = Object.values(zk.requests).reduce((sum, count) => sum + count, 0)
  const distributed = demand({ placement: { strategy: 'distributed' } })
  const ships = Array.from({ length: 2_000 }, (_, i) => `ship-${i}`)
  for (let i = 0; i < 4; i++) {
    await tree.queue(ships.slice(i * 500, i * 500 + 500).map((ship) => ticket(ship, { demand: distributed })))
  }
  await until(() => recorder.placed.length >= 2_000)
  await until(async () => (await tree.queued()).length === 0)
  const jobs = await tree.jobs(hosts)
  assert.equal(jobs.length, 2_000)
  assert.equal(new Set(jobs.map((job) => job.ship)).size, 2_000)
  for (const host of hosts) assert.is(jobs.filter((job) => job.host === host).length, 40)
  const numbers = jobs.map((job) => `${job.host}:${job.kind === 'start' && job.ports.game}`)
  assert.is(new Set(numbers).size, 2_000)
  const after = Object.values(zk.requests).reduce((sum, count) => sum + count, 0)
  assert.ok((after - before) / 2_000 < 0.3, `${(after - before) / 2_000} requests per ship`)
  void running
})

scheduler(
  'keeps blocked tickets in the queue, says why once, and places them when a host comes',
  async () => {
    const { tree, recorder, begin } = await scene()
    void begin()
    await tree.queue([ticket('a'), ticket('b')])
    await until(() => recorder.refused.length === 2)
    assert.is(
      recorder.refused[0]?.reason,
      'no host is online: join one, or start the agent of one that has joined',
    )
    assert.is((await tree.queued()).length, 1)
    await tree.join(hostNamed('one', { capacity: { cpuMillis: 64_000, memoryMiB: 600 } }))
    await until(() => recorder.placed.length === 1)
    await until(() => recorder.refused.length === 3)
    assert.is(recorder.refused[2]?.reason, '1 host: not enough memory (wants 512 MiB, best has 88)')
    await until(async () => (await tree.queued()).length === 1)
    await tree.join(hostNamed('two'))
    await until(() => recorder.placed.length === 2)
    await until(async () => (await tree.queued()).length === 0)
    assert.is((await tree.jobs(['one', 'two'])).length, 2)
  },
)

scheduler(
  'steps down at once when a newer epoch has written, and leads again with a higher one',
  async () => {
    const { tree, recorder, begin, epochs } = await scene()
    await tree.join(hostNamed('one'))
    void begin()
    await until(() => epochs.length === 1)
    recorder.leastEpoch = (epochs[0] as number) + 1
    await tree.queue([ticket('a')])
    await until(() => epochs.length >= 2)
    assert.ok((epochs[1] as number) > (epochs[0] as number))
    await tree.queue([ticket('b')])
    await until(() => recorder.placed.some(({ ship }) => ship === 'b'))
  },
)

scheduler('survives a poison node, and drops the tickets of ships that are gone', async () => {
  const { tree, recorder, begin } = await scene()
  await tree.zk.create(`${paths.schedulerQueue}/e-poison-`, 'not JSON', 'persistent_sequential')
  recorder.stale.add('gone')
  void begin()
  await tree.queue([ticket('gone'), ticket('stays')])
  await until(() => recorder.refused.length >= 2)
  await until(async () => (await tree.queued()).length === 1)
  await tree.join(hostNamed('one'))
  await until(() => recorder.placed.length > 0)
  await until(async () => (await tree.queued()).length === 0)
  assert.equal(
    (await tree.jobs(['one'])).map((job) => job.ship),
    ['stays'],
  )
})

scheduler('reports again what the ApiServer could not take', async () => {
  const { tree, recorder, begin } = await scene()
  await tree.join(hostNamed('one'))
  recorder.failures = 2
  void begin()
  await tree.queue([ticket('a')])
  await until(() => recorder.placed.length === 1)
  assert.equal(recorder.placed[0]?.ship, 'a')
})

scheduler(
  'a newer attempt supersedes an older one, and avoids the host that failed if another will do',
  async () => {
    const { tree, recorder, begin } = await scene()
    await tree.join(hostNamed('one'))
    void begin()
    await tree.queue([ticket('a')])
    await until(() => recorder.placed.length === 1)
    await tree.queue([ticket('a', { attempt: 2, avoidHosts: ['one'] })])
    await until(() => recorder.placed.length === 2)
    assert.is(recorder.placed[1]?.host, 'one')
    await tree.join(hostNamed('two'))
    await new Promise((resolve) => setTimeout(resolve, 400)) // until the scheduler has seen it
    await tree.queue([ticket('a', { attempt: 3, avoidHosts: ['one'] })])
    await until(() => recorder.placed.length === 3)
    assert.is(recorder.placed[2]?.host, 'two')
    await tree.queue([ticket('a', { attempt: 2 })])
    await until(async () => (await tree.queued()).length === 0)
    assert.is(recorder.placed.length, 3)
  },
)

scheduler('writes many small nodes of blocked tickets together', async () => {
  const { tree, recorder, begin } = await scene()
  for (let i = 0; i < 200; i++) await tree.queue([ticket(`ship-${i}`)])
  void begin()
  await until(() => recorder.refused.length >= 200)
  await until(async () => (await tree.queued()).length <= 65)
  await tree.join(hostNamed('one', { capacity: { cpuMillis: 640_000, memoryMiB: 655_360 } }))
  await until(() => recorder.placed.length >= 200)
  await until(async () => (await tree.queued()).length === 0)
  const ships = (await tree.jobs(['one'])).map((job) => job.ship)
  assert.is(new Set(ships).size, 200)
  assert.is(ships.length, 200)
})

scheduler(
  'a new leader counts what is in the boxes, asks about it, and frees what is gone or ended',
  async () => {
    const { tree, recorder, begin } = await scene()
    await tree.join(hostNamed('one', { capacity: { cpuMillis: 64_000, memoryMiB: 1_024 } }))
    const resources = { cpuMillis: 500, memoryMiB: 512 }
    const job = (ship: string, game: number) =>
      ({ kind: 'start', ship, attempt: 1, fleet: null, resources, ports: { game } }) as const
    await tree.zk.set(paths.workerQueue('one'), encodeJobs([job('old-a', 7_000), job('old-b', 7_001)]))
    recorder.gone.add('old-a')
    await tree.queue([ticket('old-b'), ticket('new-a'), ticket('new-b')])
    void begin()
    await until(() => recorder.placed.length === 1)
    const asked = recorder.reports.flatMap((report) => report.assumed)
    assert.equal(asked.map(({ ship, host }) => `${ship} on ${host}`).sort(), ['old-a on one', 'old-b on one'])
    assert.equal(recorder.placed[0]?.ship, 'new-a')
    const shipsInBox = async () => (await tree.jobs(['one'])).map((one) => one.ship).sort()
    assert.equal(await shipsInBox(), ['new-a', 'old-b'])
    const holding = { ship: 'new-a', attempt: 1, fleet: null, resources, hostPorts: [7_002] }
    await tree.advise('one', [holding], null, [{ ship: 'old-b', attempt: 1 }])
    await until(() => recorder.placed.length === 2)
    assert.equal(recorder.placed[1]?.ship, 'new-b')
    assert.equal(await shipsInBox(), ['new-b'])
    await until(async () => (await tree.queued()).length === 0)
    const numbers = recorder.placed.map(({ ports }) => ports.game)
    assert.not.ok(numbers.includes(7_001), 'the port of one that was still there')
  },
)

scheduler(
  'a gang waits for room for all of it, says why once, and goes in one report when a host comes',
  async () => {
    const { tree, recorder, begin } = await scene()
    const fitsTwo = { capacity: { cpuMillis: 64_000, memoryMiB: 1_024 } }
    await tree.join(hostNamed('one', fitsTwo))
    void begin()
    const gang = gangFor('duel', 'a', 5)
    const ships = shipsOfGang(gang)
    await tree.queue(ships.slice(0, 2).map((ship) => ticket(ship, { gang })))
    await tree.queue([ticket('alone')])
    await until(() => recorder.placed.some(({ ship }) => ship === 'alone'))
    await tree.queue(ships.slice(2).map((ship) => ticket(ship, { gang })))
    await until(() => recorder.refused.length === 5)
    const reason =
      'room for 1 of 5 ships that go together; 1 host: not enough memory (wants 512 MiB, best has 0)'
    assert.equal([...new Set(recorder.refused.map((row) => row.reason))], [reason])
    await tree.join(hostNamed('two', fitsTwo))
    await new Promise((resolve) => setTimeout(resolve, 500))
    assert.is(recorder.placed.length, 1)
    await tree.join(hostNamed('three', fitsTwo))
    await until(() => recorder.placed.length === 6)
    await until(async () => (await tree.queued()).length === 0)
    const jobs = await tree.jobs(['one', 'two', 'three'])
    assert.equal(jobs.map(({ ship }) => ship).sort(), ['alone', ...ships].sort())
    const together = recorder.reports.filter(({ placed }) => placed.length === 5)
    assert.is(together.length, 1)
  },
)

scheduler(
  'the next leader places the rest of a gang of which some are in boxes, or were placed once',
  async () => {
    const { tree, recorder, begin } = await scene()
    const gang = gangFor('duel', 'b', 6)
    const ships = shipsOfGang(gang)
    const [inBox, seen, over, ...rest] = ships as [string, string, string, ...string[]]
    await tree.join(hostNamed('one', { capacity: { cpuMillis: 64_000, memoryMiB: 5 * 512 } }))
    const resources = { cpuMillis: 500, memoryMiB: 512 }
    const job = {
      kind: 'start',
      ship: inBox,
      attempt: 1,
      fleet: null,
      resources,
      ports: { game: 7_000 },
    } as const
    await tree.zk.set(paths.workerQueue('one'), encodeJobs([job]))
    await tree.advise('one', [{ ship: seen, attempt: 1, fleet: null, resources, hostPorts: [7_001] }])
    recorder.excused.add(over)
    // Died after the jobs, before the node was tidied: one ticket of a ship that has its job still stands in it.
    await tree.queue([inBox, ...rest].map((ship) => ticket(ship, { gang })))
    void begin()
    await until(() => recorder.placed.length === 3, 40_000)
    assert.equal(recorder.placed.map(({ ship }) => ship).sort(), rest.sort())
    assert.equal([...new Set(recorder.reports.flatMap((report) => report.missing))], [over])
    await until(async () => (await tree.queued()).length === 0)
    const jobs = (await tree.jobs(['one'])).map(({ ship }) => ship)
    assert.equal(jobs.sort(), [inBox, ...rest].sort())
  },
)

scheduler('a box that is full takes no more: the others go elsewhere or wait', async () => {
  const { tree, recorder, begin } = await scene()
  const roomy = { capacity: { cpuMillis: 1_000_000, memoryMiB: 1_000_000 } }
  await tree.join(hostNamed('full', { ...roomy, ports: { from: 1_024, to: 60_000 } }))
  const long = (i: number) => `ship-${'x'.repeat(50)}-${i}`
  const resources = { cpuMillis: 1, memoryMiB: 1 }
  const jobs = Array.from({ length: 2_200 }, (_, i) => ({
    ...({ kind: 'start', ship: long(i), attempt: 1, fleet: null, resources } as const),
    ports: { game: 2_000 + i },
  }))
  await tree.zk.set(paths.workerQueue('full'), encodeJobs(jobs))
  void begin()
  const more = Array.from({ length: 500 }, (_, i) => long(i + 3_000))
  await tree.queue(more.map((ship) => ticket(ship)))
  await new Promise((resolve) => setTimeout(resolve, 500))
  assert.is(recorder.placed.length, 0)
  await tree.advise(
    'full',
    jobs.map(({ ship, ports }) => ({ ship, attempt: 1, fleet: null, resources, hostPorts: [ports.game] })),
  )
  await until(() => recorder.placed.length === 500)
  assert.is((await tree.jobs(['full'])).length, 500)
})

scheduler('a box that is full of stops makes room, once its agent has had time to read them', async () => {
  const { tree, recorder, begin } = await scene()
  const roomy = { capacity: { cpuMillis: 1_000_000, memoryMiB: 1_000_000 } }
  const stopsOf = (agoMs: number) =>
    Array.from({ length: 2_700 }, (_, i) => ({
      ...({ kind: 'stop', ship: `ship-${'x'.repeat(50)}-${i}`, attempt: 1 } as const),
      atMs: Date.now() - agoMs,
    }))
  for (const [host, agoMs] of [
    ['fresh', 0],
    ['read', 60_000],
  ] as const) {
    await tree.join(hostNamed(host, { ...roomy, ports: { from: 1_024, to: 60_000 } }))
    const box = encodeJobs(stopsOf(agoMs))
    assert.ok(box.length > 200 * 1024, `${box.length} bytes`)
    await tree.zk.set(paths.workerQueue(host), box)
  }
  void begin()
  await tree.queue(['a', 'b', 'c'].map((ship) => ticket(ship)))
  await until(() => recorder.placed.length === 3)
  assert.equal(new Set(recorder.placed.map(({ host }) => host)), new Set(['read']))
  const kinds = (await tree.jobs(['read'])).map((job) => job.kind)
  assert.equal(kinds, ['start', 'start', 'start'])
})

scheduler('is silent when idle', async () => {
  const { tree, zk, recorder, begin } = await scene()
  await tree.join(hostNamed('one'))
  void begin()
  await tree.queue([ticket('a')])
  await until(() => recorder.placed.length === 1)
  await until(async () => (await tree.queued()).length === 0)
  await new Promise((resolve) => setTimeout(resolve, 300))
  const before = { ...zk.requests }
  const reports = recorder.reports.length
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  assert.equal(zk.requests, before)
  assert.is(recorder.reports.length, reports)
})

scheduler.run()
