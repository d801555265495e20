// Ships that cannot start, or end by themselves: each comes back with the true reason, and harms no other.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sleep } from '../../shared/loop.ts'
import type { Order } from '../../shared/model/job.ts'
import type { PortChoice } from '../../shared/model/port.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { until } from '../harness/until.ts'
import { type Dock, image, openDock, type ShipSpec } from './dock.ts'
import type { FakeMonitor } from './fakeMonitor.ts'

const test = suite('agent: ships in trouble')
const host = 'trouble'
let dock: Dock
let monitor: FakeMonitor

test.before(async () => {
  dock = await openDock()
  monitor = dock.monitor
  await dock.startAgent(host, { ARMADA_MEMORY_MIB: '8000' })
})
test.after(() => dock.close())

const start = (ship: string, spec: Partial<ShipSpec>, ports?: PortChoice) =>
  dock.sendShip(host, ship, spec, ports)

async function returned(ship: string) {
  const report = await monitor.heard(ship, 'Returned')
  if (report.state !== 'Returned') throw new Error('unreachable')
  return report
}

/** Takes a job out of the box and puts it in again, so that the agent reads it as a new one, and another behind it. */
async function sendAnew(job: Order): Promise<void> {
  await dock.zk.set(paths.workerQueue(host), '')
  await sleep(200)
  await dock.sendJobs(host, [job])
  const behind = `behind-${monitor.claims.length}`
  await dock.sendJobs(host, [{ kind: 'start', ship: behind, attempt: 1, ports: {} }])
  await until(() => monitor.claims.some(({ ship }) => ship === behind))
}

const shell = (script: string) => ['sh', '-c', script]
const probe = { type: 'log', pattern: 'ready', periodMs: 250, startLimitMs: 10_000 } as const

test('ends before it is Ready: given back with code and last line', async () => {
  await start('crash', { command: shell('echo no world found >&2; exit 7'), probe })
  const report = await returned('crash')
  assert.ok(report.fault)
  assert.is(report.reason, 'it ended with exit code 7 before it was ready; its last line: no world found')
  assert.is(report.exit?.code, 7)
  assert.equal(report.exit?.logTail, ['no world found'])
})

test('verbose ships that end together: their logs are clipped, and all is told', async () => {
  const long = 'x=abcdefghij; for i in 1 2 3 4 5 6 7 8; do x=$x$x; done'
  const command = shell(
    `${long}; for i in 1 2 3 4 5; do printf "\\033[31m\\001$x\\n%.0s" a b c d e f; done; exit 7`,
  )
  for (const ship of ['loud-1', 'loud-2', 'loud-3']) await start(ship, { command, probe })
  for (const ship of ['loud-1', 'loud-2', 'loud-3']) {
    const { exit } = await returned(ship)
    assert.is(exit?.logTail.length, 20)
    assert.ok(exit?.logTail.every((one) => /^(abcdefghij){40}$/.test(one)))
  }
})

test('crashes once Ready: Failed with its code; ends by itself with 0: Stopped', async () => {
  await start('crash-later', { command: shell('echo ready; sleep 0.5; exit 9'), probe })
  await start('done', { command: shell('echo ready; sleep 0.5'), probe })
  const failed = await monitor.heard('crash-later', 'Failed')
  assert.is(failed.state === 'Failed' && failed.exit?.code, 9)
  const stopped = await monitor.heard('done', 'Stopped')
  assert.is(stopped.state === 'Stopped' && stopped.exit?.code, 0)
})

test('uses too much memory: the OOM is named', async () => {
  const command = shell('echo ready; sleep 0.3; exec tail -c 100000000 /dev/zero')
  await start('greedy', { command, probe, resources: { memoryMiB: 16 } })
  const report = await monitor.heard('greedy', 'Failed')
  assert.ok(report.state === 'Failed' && report.exit?.oomKilled, JSON.stringify(report))
  assert.match(report.reason, /killed for using more than its 16 MiB of memory \(OOM, exit code 137\)/)
})

test('an image that is nowhere: given back quickly; another ship starts meanwhile', async () => {
  const beginMs = performance.now()
  await start('no-image', { image: '127.0.0.1:9/nobody/nothing:1' })
  await start('beside', { command: ['sleep', '1000'] })
  await monitor.heard('beside', 'Ready')
  const report = await returned('no-image')
  assert.ok(report.fault)
  assert.match(
    report.reason,
    /^image 127.0.0.1:9\/nobody\/nothing:1 is not on this host and cannot be pulled: .*refused.*; check the name/,
  )
  assert.ok(performance.now() - beginMs < 5_000)
})

test('a ship that waits for its image can be stopped', async () => {
  const mute = createServer(() => undefined).listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const { port } = mute.address() as { port: number }
  await start('slow-image', { image: `127.0.0.1:${port}/slow:1` })
  await until(() => monitor.ships.get('slow-image')?.state === 'Starting')
  await dock.sendJobs(host, [{ kind: 'stop', ship: 'slow-image', attempt: 1 }])
  await monitor.heard('slow-image', 'Stopped', 3_000)
  mute.close()
})

test('a command that is not in the image', async () => {
  await start('no-command', { command: ['/no/such/thing'], probe })
  const report = await monitor.heard('no-command', 'Returned')
  assert.match(report.state === 'Returned' ? report.reason : '', /no such file|exit code 127/)
  await until(async () => (await dock.inspect('armada-no-command-1')) === undefined)
})

test('a port that a foreign process holds: given back, the process is untouched', async () => {
  const hostPort = dock.ports.from
  const foreign = createSocket('udp4').bind(hostPort)
  await once(foreign, 'listening')
  const ports = [{ name: 'game', containerPort: 7777 }]
  await start('no-port', { command: ['sleep', '1000'], ports }, { game: hostPort })
  const report = await returned('no-port')
  assert.not.ok(report.fault, 'the port was chosen for it')
  assert.is(report.reason, `host port ${hostPort}/udp is in use by a process that is not Armada's`)
  const fixed = [{ name: 'game', containerPort: 7777, policy: 'static' as const, hostPort }]
  await start('fixed-port', { command: ['sleep', '1000'], ports: fixed }, { game: hostPort })
  assert.ok((await returned('fixed-port')).fault, 'it asked for that port')
  assert.is(foreign.address().port, hostPort)
  foreign.close()
  assert.is(await dock.inspect('armada-no-port-1'), undefined)
})

test('a container with our name that is not ours: given back, the container is untouched', async () => {
  const path = '/containers/create?name=armada-named-1'
  const { Id } = JSON.parse(await dock.engine('POST', path, { Image: image, Cmd: ['sleep', '1'] }))
  await start('named', { command: ['sleep', '1000'] })
  const report = await returned('named')
  assert.match(report.reason, /the name armada-named-1 is taken by a container that is not Armada/)
  assert.is((await dock.inspect('armada-named-1'))?.Id, Id)
})

test('no room: given back with what is free', async () => {
  await start('huge', { resources: { memoryMiB: 7_900 } })
  const report = await returned('huge')
  assert.match(
    report.reason,
    /no room: it asks for 500 millicores, 7900 MiB; free on trouble are \d+ millicores, \d+ MiB$/,
  )
})

test('doubled jobs start one container, and none after it has ended', async () => {
  monitor.place(host, 'twice', { image, command: ['sleep', '1000'] })
  const job = { kind: 'start', ship: 'twice', attempt: 1, ports: {} } as const
  await Promise.all([dock.sendJobs(host, [job, job]), dock.sendJobs(host, [job])])
  await monitor.heard('twice', 'Ready')
  const container = await dock.inspect('armada-twice-1')
  await sendAnew(job)
  assert.is((await dock.inspect('armada-twice-1'))?.State.StartedAt, container?.State.StartedAt)
  await dock.sendJobs(host, [{ kind: 'stop', ship: 'twice', attempt: 1 }])
  await monitor.heard('twice', 'Stopped')
  await sendAnew(job)
  assert.is(monitor.changes.filter(({ report }) => report.ship === 'twice').length, 2)
})

test('a stop is for exactly its attempt: another one runs on, and later ones start', async () => {
  await start('fenced', { command: ['sleep', '1000'] })
  await monitor.heard('fenced', 'Ready')
  await dock.sendJobs(host, [{ kind: 'stop', ship: 'fenced', attempt: 900 }])
  const report = await monitor.heard('fenced', 'Stopped')
  assert.is(report.attempt, 900)
  await sleep(500)
  assert.is((await dock.inspect('armada-fenced-1'))?.State.Status, 'running')
  await dock.sendJobs(host, [{ kind: 'stop', ship: 'later', attempt: 900 }])
  await monitor.heard('later', 'Stopped')
  await start('later', { command: ['sleep', '1000'] })
  await monitor.heard('later', 'Ready')
})

test('a claim that is refused starts nothing', async () => {
  await dock.sendJobs(host, [{ kind: 'start', ship: 'unknown', attempt: 4, ports: {} }])
  await until(() => monitor.claims.some(({ ship }) => ship === 'unknown'))
  assert.is(await dock.inspect('armada-unknown-4'), undefined)
})

test('while the ApiServer is away jobs stay in the box, ships run on, and ends are told later', async () => {
  await start('before', { command: shell('echo ready; sleep 1.5; exit 5'), probe })
  await monitor.heard('before', 'Ready')
  monitor.away = true
  await start('after', { command: ['sleep', '1000'] })
  await sleep(3_000)
  assert.not.ok(monitor.claims.some(({ ship }) => ship === 'after'))
  assert.is(
    (await dock.inspect('armada-before-1'))?.State.Status,
    'exited',
    'kept until its end is acknowledged',
  )
  monitor.away = false
  const report = await monitor.heard('before', 'Failed')
  assert.is(report.state === 'Failed' && report.exit?.code, 5)
  await monitor.heard('after', 'Ready')
  await until(async () => (await dock.inspect('armada-before-1')) === undefined)
})

test.run()
