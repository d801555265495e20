// What a candidate follows while another one leads, and what that spares it when it takes over.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Attendance } from '../../../../functions/runners/scheduler/attendance.ts'
import { schedule } from '../../../../functions/runners/scheduler/schedule.ts'
import { connect } from '../../../../shared/api/client.ts'
import { encodeJobs } from '../../../../shared/model/job.ts'
import { ZooKeeper } from '../../../../shared/zookeeper/client.ts'
import { paths } from '../../../../shared/zookeeper/paths.ts'
import { until } from '../../../harness/until.ts'
import { Recorder } from '../recorder.ts'
import { demand, hostNamed, quiet, Tree, ticket, ZooKeeperServer } from '../tree.ts'

const test = suite('attendance')
const closing: (() => unknown)[] = []
let server: ZooKeeperServer

/** A tree of its own, with so many hosts, and a candidate that follows who is there. */
async function scene(count: number) {
  const { tree, address } = await Tree.open(server)
  const hosts = Array.from({ length: count }, (_, i) => `host-${i}`)
  for (const host of hosts) await tree.join(hostNamed(host))
  const zk = await ZooKeeper.connect({ servers: address, log: quiet, sessionTimeoutMs: 4_000 })
  const stop = new AbortController()
  const attendance = new Attendance(zk, quiet)
  const followed = attendance.follow(stop.signal)
  const recorder = new Recorder()
  const client = connect({ url: await recorder.start() })
  const lead = () =>
    schedule({ zk, client, log: quiet, attendance }, { epoch: 1, signal: stop.signal }).catch(() => undefined)
  closing.push(async () => {
    stop.abort()
    await followed
    await zk.close()
    await tree.zk.close()
    await recorder.stop()
  })
  await attendance.complete(stop.signal)
  return { tree, hosts, zk, attendance, recorder, lead }
}

test.before(async () => {
  server = await ZooKeeperServer.start()
})
test.after.each(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})
test.after(() => server.stop())

test('a leader that has followed it reads the advice and the box of each host, and no more', async () => {
  const { tree, hosts, zk, recorder, lead } = await scene(40)
  const [{ resources }, ports] = [demand(), { game: 7_000 }]
  for (const host of hosts) {
    await tree.advise(host, [])
    const job = { kind: 'start' as const, ship: `on-${host}`, attempt: 1, ports, fleet: null, resources }
    await tree.zk.set(paths.workerQueue(host), encodeJobs([job]))
  }
  await tree.queue([...hosts.map((host) => ticket(`on-${host}`)), ticket('new')])
  const before = { ...zk.requests }
  void lead()
  await until(() => recorder.placed.length > 0)
  assert.equal(
    recorder.placed.map(({ ship }) => ship),
    ['new'],
  )
  assert.is(zk.requests.exists - before.exists, 0)
  // The two of each host, and the node of the queue.
  assert.is(zk.requests.get - before.get, 2 * hosts.length + 1)
  const takeover = recorder.reports.map(({ figures }) => figures?.takeover).find(Boolean)
  assert.ok(takeover && takeover.pictureMs > 0 && takeover.jobsMs > 0, JSON.stringify(takeover))
})

test('hears of hosts that come, change and go while another one leads', async () => {
  const { tree, attendance, recorder, lead } = await scene(3)
  await tree.leave('host-0')
  await tree.zk.set(paths.worker('host-1'), 'not JSON')
  await tree.join(hostNamed('late'))
  const seen = () =>
    [...attendance.hosts].filter(([, host]) => host.present && host.description).map(([id]) => id)
  await until(() => seen().sort().join() === 'host-2,late')
  for (const path of [paths.workerQueue('host-2'), paths.workerPresence('host-2'), paths.worker('host-2')])
    await tree.zk.delete(path)
  await until(() => !attendance.hosts.has('host-2'))
  void lead()
  await tree.queue([ticket('a')])
  await until(() => recorder.placed.length === 1)
  assert.is(recorder.placed[0]?.host, 'late')
  await tree.join(hostNamed('host-2'))
  await tree.leave('late')
  await until(() => seen().join() === 'host-2')
  await tree.queue([ticket('b')])
  await until(() => recorder.placed.length === 2)
  assert.is(recorder.placed[1]?.host, 'host-2')
})

test('reads everything again after a reconnection, and is not complete before', async () => {
  const { tree, attendance, recorder, lead, zk } = await scene(2)
  const states: string[] = []
  zk.onState((state) => states.push(state))
  await server.kill()
  await server.restart()
  await until(() => zk.state === 'connected' && states.includes('connected'), 30_000)
  await attendance.complete(new AbortController().signal)
  await until(() => tree.zk.state === 'connected', 30_000)
  void lead()
  await tree.queue([ticket('a')])
  await until(() => recorder.placed.length === 1, 30_000)
})

test.run()
