// The world around the agent breaks: cut off, frozen, the engine killed, the machine restarted.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { labelsOf } from '../../agent/docker/label.ts'
import { sleep } from '../../shared/loop.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { until } from '../harness/until.ts'
import { type Dock, image, openDock, type ShipSpec } from './dock.ts'
import type { FakeMonitor } from './fakeMonitor.ts'

const test = suite('agent: faults')
let dock: Dock
let monitor: FakeMonitor

test.before(async () => {
  dock = await openDock()
  monitor = dock.monitor
})
// One that fails in the middle leaves its faults to nobody.
test.before.each(() => {
  monitor.away = false
  dock.zookeeper.resume()
  dock.docker.resume()
})
test.after(() => dock.close())

const shell = (script: string) => ['sh', '-c', script]

async function run(host: string, ship: string, spec: Partial<ShipSpec> = {}): Promise<void> {
  await dock.sendShip(host, ship, { command: ['sleep', '1000'], ...spec })
  await monitor.heard(ship, 'Ready')
}

const statusOf = async (name: string) => (await dock.inspect(name))?.State.Status

test('cut off from one of the two: ships run on. From both: `replace` ships stop in time, others do not', async () => {
  const agent = await dock.startAgent('cut')
  const replace = { graceMs: 0, hostLost: { policy: 'replace', afterMs: 4_000 } } as const
  const wait = { graceMs: 0, hostLost: { policy: 'wait', afterMs: 4_000 } } as const
  await run('cut', 'replaced', { lifecycle: replace })
  await run('cut', 'waiting', { lifecycle: wait })

  monitor.away = true
  await sleep(5_000)
  assert.is(await statusOf('armada-replaced-1'), 'running', 'ZooKeeper alone is enough')
  monitor.away = false
  const seen = monitor.samples.length
  await until(() => monitor.samples.length > seen)
  dock.zookeeper.pause()
  await sleep(5_000)
  assert.is(await statusOf('armada-replaced-1'), 'running', 'the ApiServer alone is enough')

  const cutAtMs = performance.now()
  monitor.away = true
  await until(async () => (await statusOf('armada-replaced-1')) !== 'running', 10_000)
  const tookMs = performance.now() - cutAtMs
  assert.ok(tookMs < 4_000, `stopped ${Math.round(tookMs)} ms after the cut`)
  assert.is(await statusOf('armada-waiting-1'), 'running')
  dock.zookeeper.resume()
  monitor.away = false
  const report = await monitor.heard('replaced', 'Returned')
  assert.ok(report.state === 'Returned' && !report.fault)
  assert.match(report.reason, /cut off from the cluster for/)
  await agent.kill()
})

test('frozen and thawed: hello first, the ship that went elsewhere is gone within 5 s', async () => {
  const agent = await dock.startAgent('ice')
  await run('ice', 'frozen', { command: shell('trap "" TERM; while true; do sleep 0.1; done') })
  await run('ice', 'kept')
  agent.process.kill('SIGSTOP')
  const ship = monitor.ships.get('frozen')
  Object.assign(ship ?? {}, { host: 'elsewhere', attempt: 2 })
  await sleep(4_500)
  await dock.sendShip('ice', 'fresh', { command: ['sleep', '1000'] })
  const thawAtMs = performance.now()
  agent.process.kill('SIGCONT')
  await until(async () => (await dock.inspect('armada-frozen-1')) === undefined)
  assert.ok(performance.now() - thawAtMs < 5_000)
  await monitor.heard('fresh', 'Ready')
  const hello = monitor.hellos.findLast(({ host }) => host.id === 'ice')
  assert.ok(hello && hello.atMs > thawAtMs)
  assert.ok((await dock.inspect('armada-fresh-1'))?.State.Status === 'running')
  assert.is(await statusOf('armada-kept-1'), 'running')
  await agent.kill()
})

test('the session and what it stood on are lost: the host is described again and takes jobs, and its ships ran on', async () => {
  const agent = await dock.startAgent('wiped')
  await run('wiped', 'through')
  agent.process.kill('SIGSTOP')
  await until(async () => (await dock.zk.exists(paths.workerPresence('wiped'))) === undefined)
  await dock.zk.delete(paths.workerQueue('wiped'))
  await dock.zk.delete(paths.worker('wiped'))
  agent.process.kill('SIGCONT')
  const description = async () => String((await dock.zk.get(paths.worker('wiped')))?.data ?? '')
  await until(async () => (await description()).includes('"id":"wiped"'), 20_000)
  await until(async () => (await dock.zk.exists(paths.workerPresence('wiped'))) !== undefined)
  assert.ok(await dock.zk.exists(paths.workerQueue('wiped')))
  assert.is(await statusOf('armada-through-1'), 'running')
  await run('wiped', 'next')
  await agent.kill()
})

test('dockerd is killed and comes back: degraded is told, jobs wait, ships run on, ends and what was printed are told', async () => {
  const agent = await dock.startAgent('dead')
  await run('dead', 'sturdy')
  await run('dead', 'short', { command: shell('sleep 3; exit 4') })
  const slow = { periodMs: 250, timeoutMs: 4_000, failures: 1, startLimitMs: 20_000 }
  await run('dead', 'asked', { probe: { type: 'exec', command: ['sleep', '2'], ...slow } })
  await run('dead', 'logged', { command: shell('sleep 3; echo said while nobody listened; exec sleep 1000') })
  const pid = (await dock.inspect('armada-sturdy-1'))?.State.Pid
  await dock.docker.kill()
  await dock.sendShip('dead', 'patient', { command: ['sleep', '1000'] })
  const last = () => monitor.samples.findLast(({ host }) => host === 'dead')?.sample
  await until(() => last()?.degraded != null, 12_000)
  assert.match(last()?.degraded ?? '', /the Docker engine does not answer/)
  assert.not.ok(monitor.claims.some(({ ship }) => ship === 'patient'))
  await dock.docker.restart()
  await monitor.heard('patient', 'Ready')
  const report = await monitor.heard('short', 'Failed')
  assert.is(report.state === 'Failed' && report.exit?.code, 4)
  assert.is((await dock.inspect('armada-sturdy-1'))?.State.Pid, pid)
  // The command that asked how it is was under way, and dockerd knows nothing of it any more.
  await monitor.heard('asked', 'Unhealthy')
  const asked = () => monitor.changes.findLast(({ report }) => report.ship === 'asked')?.report.state
  await until(() => asked() === 'Ready', 15_000)
  await until(() => last()?.degraded === null, 12_000)
  const printed = () => dock.engine('GET', '/containers/armada-logged-1/logs?stdout=true')
  await until(async () => (await printed()).includes('said while nobody listened'))
  const named = (await dock.containers()).filter(({ Labels }) => Labels['armada.ship'] === 'patient')
  assert.is(named.length, 1)
  await agent.kill()
})

/** As long as the longest of the agent's limits on single requests to the engine, but those for pulls. */
const frozenMs = 60_000

test('dockerd stands still: degraded is told, jobs wait, ships run on, ends are told once it goes on', async () => {
  const agent = await dock.startAgent('still')
  await run('still', 'unmoved')
  await run('still', 'passing', { command: shell('sleep 4; exit 4') })
  const pid = (await dock.inspect('armada-unmoved-1'))?.State.Pid
  const last = () => monitor.samples.findLast(({ host }) => host === 'still')?.sample
  const beginMs = performance.now()
  dock.docker.pause()
  await dock.sendShip('still', 'waits', { command: ['sleep', '1000'] })
  await until(() => last()?.degraded != null, frozenMs)
  assert.match(last()?.degraded ?? '', /the Docker engine does not answer \(ping/)
  await sleep(frozenMs - (performance.now() - beginMs))
  assert.not.ok(monitor.claims.some(({ ship }) => ship === 'waits'))
  dock.docker.resume()
  await monitor.heard('waits', 'Ready')
  const report = await monitor.heard('passing', 'Failed')
  assert.is(report.state === 'Failed' && report.exit?.code, 4)
  assert.is((await dock.inspect('armada-unmoved-1'))?.State.Pid, pid)
  await until(() => last()?.degraded === null, 12_000)
  const named = (await dock.containers()).filter(({ Labels }) => Labels['armada.ship'] === 'waits')
  assert.is(named.length, 1)
  await agent.kill()
})

test('the machine was restarted, or the container never ran: given back, and not the ship’s fault', async () => {
  for (const ship of ['rebooted', 'unborn']) {
    const { spec } = monitor.place('boot', ship, { image, command: shell('exit 137') })
    const record = monitor.ships.get(ship)
    if (record) record.state = 'Ready'
    const grant = { ship, attempt: 1, state: 'Ready', fleet: null, labels: {}, ports: [] } as const
    const blueprint = { name: 'test', revision: 1 }
    const labels = labelsOf(
      { ...grant, ports: [], blueprint, spec: BlueprintSpec.parse(spec) },
      'boot',
      'an earlier boot',
    )
    const options = { Image: image, Cmd: ['sh', '-c', 'exit 137'], Labels: labels }
    await dock.engine('POST', `/containers/create?name=armada-${ship}-1`, options)
  }
  await dock.engine('POST', '/containers/armada-rebooted-1/start')
  await until(async () => (await statusOf('armada-rebooted-1')) === 'exited')
  await dock.startAgent('boot')
  for (const ship of ['rebooted', 'unborn']) {
    const report = await monitor.heard(ship, 'Returned')
    assert.ok(report.state === 'Returned' && !report.fault)
    assert.is(report.reason, 'the host restarted')
    await until(async () => (await dock.inspect(`armada-${ship}-1`)) === undefined)
  }
})

test.run()
