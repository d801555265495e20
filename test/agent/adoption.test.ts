// Agents come and go, ships stay: adoption, true exits, strays, two agents on one engine, and both ways to stop.
import { existsSync, statSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { containerOptions } from '../../agent/docker/options.ts'
import { bootId } from '../../agent/lock.ts'
import { sleep } from '../../shared/loop.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { until } from '../harness/until.ts'
import { type Agent, type Dock, image, openDock, type ShipSpec } from './dock.ts'
import type { FakeMonitor } from './fakeMonitor.ts'

const test = suite('agent: adoption')
let dock: Dock
let monitor: FakeMonitor

test.before(async () => {
  dock = await openDock()
  monitor = dock.monitor
})
test.after(() => dock.close())

const shell = (script: string) => ['sh', '-c', script]

async function run(host: string, ship: string, spec: Partial<ShipSpec> = {}): Promise<void> {
  await dock.sendShip(host, ship, { command: ['sleep', '1000'], ...spec })
  await monitor.heard(ship, 'Ready')
}

function changesOf(ship: string) {
  return monitor.changes.filter(({ report }) => report.ship === ship).map(({ report }) => report)
}

const pidOf = async (name: string) => (await dock.inspect(name))?.State.Pid

test('kill -9 and a new start: ships that ran on are adopted, those that ended are told with their true code', async () => {
  const first = await dock.startAgent('a')
  await run('a', 'a-stays')
  await run('a', 'a-ends', { command: shell('sleep 2; echo the end; exit 23') })
  await run('a', 'a-leaves', { command: shell('sleep 2; exit 0') })
  await run('a', 'a-stopping')
  await run('a', 'a-gone')
  const pid = await pidOf('armada-a-stays-1')
  const before = changesOf('a-stays').length
  await first.kill()
  // Beyond its session, and until somebody has come to look.
  await sleep(60_000)
  const stopping = monitor.ships.get('a-stopping')
  if (stopping) stopping.state = 'Stopping'
  await dock.engine('DELETE', '/containers/armada-a-gone-1?force=true')
  monitor.place('a', 'a-missing', { image, command: ['sleep', '1000'] }).state = 'Starting'
  // As if the agent had died between Docker's create and its start.
  const half = monitor.place('a', 'a-half', { image, command: ['sleep', '1000'] })
  half.state = 'Starting'
  const made = { ship: 'a-half', attempt: 1, state: 'Starting', fleet: null, labels: {}, ports: [] } as const
  const grant = { ...made, ports: [], blueprint: { name: 'test', revision: 1 }, spec: half.spec }
  const berth = { host: 'a', address: '127.0.0.1', boot: bootId(), secretsDir: '/run/armada/a' }
  await dock.engine('POST', '/containers/create?name=armada-a-half-1', containerOptions(grant, berth))

  const second = await dock.startAgent('a')
  const failed = await monitor.heard('a-ends', 'Failed')
  assert.ok(failed.state === 'Failed' && failed.exit)
  assert.is(failed.exit.code, 23)
  assert.equal(failed.exit.logTail, ['the end'])
  await monitor.heard('a-leaves', 'Stopped')
  await monitor.heard('a-stopping', 'Stopped')
  const gone = await monitor.heard('a-gone', 'Failed')
  assert.match(gone.state === 'Failed' ? gone.reason : '', /its container had been removed/)
  await monitor.heard('a-missing', 'Ready')
  await monitor.heard('a-half', 'Ready')
  assert.is(await pidOf('armada-a-stays-1'), pid)
  assert.is(changesOf('a-stays').length, before, 'a ship that is adopted changes nothing')
  await until(async () => (await dock.inspect('armada-a-ends-1')) === undefined)
  const stay = monitor.ships.get('a-stays')
  if (stay) stay.state = 'Stopping'
  await dock.sendJobs('a', [{ kind: 'stop', ship: 'a-stays', attempt: 1 }])
  await monitor.heard('a-stays', 'Stopped')
  await second.kill()
})

test('strays and older attempts go before new work; the newer attempt starts', async () => {
  const first = await dock.startAgent('b')
  await run('b', 'b-moved')
  await run('b', 'b-again')
  await first.kill()
  monitor.ships.delete('b-moved')
  const again = monitor.ships.get('b-again')
  Object.assign(again ?? {}, { attempt: 3, state: 'Scheduled' })
  await dock.sendJobs('b', [{ kind: 'start', ship: 'b-again', attempt: 3, ports: {} }])
  const second = await dock.startAgent('b')
  await until(() => changesOf('b-again').some(({ attempt, state }) => attempt === 3 && state === 'Ready'))
  assert.is(await dock.inspect('armada-b-moved-1'), undefined)
  assert.is(await dock.inspect('armada-b-again-1'), undefined)
  assert.is((await dock.inspect('armada-b-again-3'))?.State.Status, 'running')
  await second.kill()
})

test('what a report or a resync calls stale is stopped at once', async () => {
  const agent = await dock.startAgent('c')
  await run('c', 'c-resync')
  monitor.ships.delete('c-resync')
  const beginMs = performance.now()
  monitor.resync()
  await until(async () => (await dock.inspect('armada-c-resync-1')) === undefined)
  assert.ok(performance.now() - beginMs < 4_000)

  const probe = { type: 'log', pattern: 'up', periodMs: 250 } as const
  await dock.sendShip('c', 'c-stale', { command: shell('sleep 1; echo up; exec sleep 1000'), probe })
  await until(async () => (await dock.inspect('armada-c-stale-1'))?.State.Status === 'running')
  monitor.ships.delete('c-stale')
  await until(async () => (await dock.inspect('armada-c-stale-1')) === undefined)
  await agent.kill()
})

test('a resync names a revision: the answer to the hello has to show it, whichever ApiServer gives it', async () => {
  const agent = await dock.startAgent('k')
  const last = () => monitor.hellos.findLast(({ host }) => host.id === 'k')
  monitor.resync(77)
  await until(() => last()?.leastRevision === '77')
  const seen = monitor.hellos.length
  monitor.resync(76)
  await until(() => monitor.hellos.length > seen)
  assert.is(last()?.leastRevision, '77')
  await agent.kill()
})

test('two agents on one engine leave each other’s ships alone', async () => {
  const [d, e] = await Promise.all([dock.startAgent('d'), dock.startAgent('e')])
  await run('d', 'd-ship')
  await run('e', 'e-ship')
  monitor.resync()
  await d.kill()
  await (await dock.startAgent('d')).kill()
  await sleep(1_000)
  assert.is((await dock.inspect('armada-d-ship-1'))?.State.Status, 'running')
  assert.is((await dock.inspect('armada-e-ship-1'))?.State.Status, 'running')
  assert.equal(
    monitor.holdings.get('e')?.map(({ ship }) => ship),
    ['e-ship'],
  )
  await e.kill()
})

test('a second agent with the same id is refused', async () => {
  const one: Agent = await dock.startAgent('f')
  const two = await dock.startAgent('f')
  assert.is(await two.ended, 1)
  assert.match(two.output(), /runs already on this machine/)
  await one.kill()
})

test('the credential is kept, for its owner only, and used again without the token', async () => {
  const one = await dock.startAgent('g')
  const [, file = ''] = /"file":"([^"]+)"/.exec(one.output()) ?? []
  assert.ok(existsSync(file))
  assert.is(statSync(file).mode & 0o777, 0o600)
  await one.kill()
  const two = await dock.startAgent('g', { ARMADA_JOIN_TOKEN: '' })
  assert.is(two.process.exitCode, null)
  await two.kill()
})

test('onStop keep: gone within 2 s, presence removed, ships run on', async () => {
  const agent = await dock.startAgent('h')
  await run('h', 'h-ship')
  await until(async () => (await dock.zk.exists(paths.workerPresence('h'))) !== undefined)
  const { code, tookMs } = await agent.stop()
  assert.is(code, 0)
  assert.ok(tookMs < 2_000, `took ${tookMs} ms`)
  assert.is(await dock.zk.exists(paths.workerPresence('h')), undefined)
  assert.is((await dock.inspect('armada-h-ship-1'))?.State.Status, 'running')
})

test('onStop return: ships end with grace, are given back, and nothing is left', async () => {
  const agent = await dock.startAgent('i', { ARMADA_ON_STOP: 'return' })
  await run('i', 'i-one', { command: shell('trap "sleep 0.5; exit 0" TERM; while true; do sleep 0.1; done') })
  await run('i', 'i-two')
  const { code, tookMs } = await agent.stop()
  assert.is(code, 0)
  assert.ok(tookMs < 5_000, `took ${tookMs} ms`)
  for (const ship of ['i-one', 'i-two']) {
    const report = await monitor.heard(ship, 'Returned', 100)
    assert.ok(report.state === 'Returned' && !report.fault)
    assert.is(report.reason, 'the host is shutting down')
    assert.is(await dock.inspect(`armada-${ship}-1`), undefined)
  }
})

test('SIGHUP keeps the ships and SIGUSR2 returns them, whatever onStop is', async () => {
  const returning = await dock.startAgent('j', { ARMADA_ON_STOP: 'return' })
  await run('j', 'j-ship')
  const { code, tookMs } = await returning.stop('SIGHUP')
  assert.is(code, 0)
  assert.ok(tookMs < 2_000, `took ${tookMs} ms`)
  assert.is(await dock.zk.exists(paths.workerPresence('j')), undefined)
  assert.is((await dock.inspect('armada-j-ship-1'))?.State.Status, 'running')

  const keeping = await dock.startAgent('j')
  await until(() => keeping.output().includes('adopted'))
  assert.is((await keeping.stop('SIGUSR2')).code, 0)
  await monitor.heard('j-ship', 'Returned', 100)
  assert.is(await dock.inspect('armada-j-ship-1'), undefined)
})

test('onStop return before the first hello is answered: what an earlier agent left is given back too', async () => {
  const first = await dock.startAgent('q')
  await run('q', 'q-ship')
  await first.kill()
  monitor.mute = true
  const second = await dock.startAgent('q', { ARMADA_ON_STOP: 'return' })
  const { code } = await second.stop()
  monitor.mute = false
  assert.is(code, 0)
  const report = await monitor.heard('q-ship', 'Returned', 100)
  assert.is(report.state === 'Returned' && report.reason, 'the host is shutting down')
  assert.is(await dock.inspect('armada-q-ship-1'), undefined)
})

test.run()
