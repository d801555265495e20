// A ship's life on a host: started by a job, ready by its probe, stopped with grace; with every kind of probe.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { PortChoice } from '../../shared/model/port.ts'
import { until } from '../harness/until.ts'
import { type Dock, image, openDock, type ShipSpec } from './dock.ts'
import type { FakeMonitor } from './fakeMonitor.ts'

const test = suite('agent: life of a ship')
const host = 'life'
let dock: Dock
let monitor: FakeMonitor

test.before(async () => {
  dock = await openDock()
  monitor = dock.monitor
  await dock.startAgent(host)
})
test.after(() => dock.close())

const start = (ship: string, spec: Partial<ShipSpec>, ports?: PortChoice) =>
  dock.sendShip(host, ship, spec, ports)

async function stop(ship: string): Promise<void> {
  const record = monitor.ships.get(ship)
  if (record) record.state = 'Stopping'
  await dock.sendJobs(host, [{ kind: 'stop', ship, attempt: record?.attempt ?? 1 }])
}

const shell = (script: string) => ['sh', '-c', script]
const quick = { periodMs: 250, timeoutMs: 500, failures: 2, startLimitMs: 10_000 }

test('a job is claimed, the container runs, the ship is Ready, its holding is told', async () => {
  const ports = [{ name: 'game', containerPort: 7777, protocol: 'tcp+udp' as const }]
  const command = shell(
    'echo $ARMADA_SHIP_ID at $ARMADA_HOST on $ARMADA_PORT_GAME says $(WORD) >/tmp/said; exec sleep 1000',
  )
  await start('first', { command, ports, env: { WORD: 'ahoy' } }, { game: dock.ports.from + 3 })
  await monitor.heard('first', 'Ready')
  await until(() => monitor.holdings.get(host)?.some(({ ship }) => ship === 'first') ?? false)
  assert.equal(monitor.holdings.get(host)?.[0]?.hostPorts, [dock.ports.from + 3])
  const container = await dock.inspect('armada-first-1')
  assert.is(container?.State.Status, 'running')
  assert.is(container?.Config.Labels['armada.host'], host)
  assert.match(container?.Config.Cmd[2] ?? '', /says ahoy/)
  assert.equal(container?.HostConfig.CapDrop, ['ALL'])
})

test('stop: the grace is given, the exit and that it left are told, the container goes', async () => {
  await start('polite', {
    command: shell('trap "echo bye; exit 3" TERM; echo up; while true; do sleep 0.1; done'),
  })
  await monitor.heard('polite', 'Ready')
  await stop('polite')
  const report = await monitor.heard('polite', 'Stopped')
  assert.ok(report.state === 'Stopped' && report.exit)
  assert.is(report.exit.code, 3)
  assert.equal(report.exit.logTail, ['up', 'bye'])
  await until(() => monitor.left.some(({ ship, attempt }) => ship === 'polite' && attempt === 1))
  assert.is(monitor.left.filter(({ ship }) => ship === 'polite').length, 1)
  await until(async () => (await dock.inspect('armada-polite-1')) === undefined)
})

test('a ship that ignores SIGTERM is killed after its grace', async () => {
  const command = shell('trap "" TERM; while true; do sleep 0.1; done')
  await start('deaf', { command, lifecycle: { graceMs: 1_000 } })
  await monitor.heard('deaf', 'Ready')
  const beginMs = performance.now()
  await stop('deaf')
  const report = await monitor.heard('deaf', 'Stopped')
  const tookMs = performance.now() - beginMs
  assert.ok(tookMs > 950 && tookMs < 3_000, `took ${tookMs} ms`)
  assert.is(report.state === 'Stopped' && report.exit?.code, 137)
})

test('a stop command is said on the console first; a ship that does not heed it gets its signal', async () => {
  const heeds =
    'trap "echo signal; exit 9" TERM; while read line; do [ "$line" = "save and quit" ] && exit 0; done'
  await start('saves', {
    command: shell(heeds),
    console: 'stdin',
    lifecycle: { graceMs: 8_000, stopCommand: 'save and quit' },
  })
  await monitor.heard('saves', 'Ready')
  await stop('saves')
  const saved = await monitor.heard('saves', 'Stopped')
  assert.equal(saved.state === 'Stopped' && [saved.exit?.code, saved.exit?.logTail], [0, []])

  const hears = 'trap "echo signal; exit 9" INT; while true; do sleep 0.1; done'
  await start('stubborn', {
    command: shell(hears),
    console: 'stdin',
    lifecycle: { graceMs: 4_000, stopCommand: 'quit', stopSignal: 'SIGINT' },
  })
  await monitor.heard('stubborn', 'Ready')
  await stop('stubborn')
  const signalled = await monitor.heard('stubborn', 'Stopped')
  assert.equal(signalled.state === 'Stopped' && [signalled.exit?.code, signalled.exit?.logTail], [
    9,
    ['signal'],
  ])
})

test('the container is as its blueprint says, from within', async () => {
  const script = [
    'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null | head -n 1',
    'ulimit -n',
    'echo data >/scratch/file && cat /scratch/file',
    'echo root >/file || echo no',
    'sleep 1000',
  ].join('; ')
  await start('limited', {
    command: shell(script),
    readOnlyRoot: true,
    tmpfs: [{ path: '/scratch', sizeMiB: 8 }],
    limits: { pids: 77, ulimits: { nofile: 333 } },
    probe: { type: 'log', pattern: 'no', ...quick },
  })
  await monitor.heard('limited', 'Ready')
  const { HostConfig } = (await dock.inspect('armada-limited-1')) ?? {}
  assert.is(HostConfig?.PidsLimit, 77)
  await stop('limited')
  const report = await monitor.heard('limited', 'Stopped')
  const said = (report.state === 'Stopped' && report.exit?.logTail) || []
  assert.equal(
    said.filter((line) => !line.includes('Read-only')),
    ['77', '333', 'data', 'no'],
  )
})

test('exec: Ready when its command ends with 0, Unhealthy while it does not; one that hangs is not run twice', async () => {
  const command = shell(
    'sleep 1; echo up >/tmp/up; sleep 3; mv /tmp/up /tmp/gone; sleep 4; mv /tmp/gone /tmp/up; sleep 1000',
  )
  const probe = { type: 'exec' as const, command: ['sh', '-c', 'head -n 1 /tmp/up'], ...quick }
  await start('asked', { command, probe })
  await monitor.heard('asked', 'Ready')
  const sick = await monitor.heard('asked', 'Unhealthy')
  assert.match(sick.state === 'Unhealthy' ? sick.reason : '', /command ended with exit code 1/)
  await until(
    () => monitor.changes.findLast(({ report }) => report.ship === 'asked')?.report.state === 'Ready',
  )

  const hangs = { type: 'exec' as const, command: ['sleep', '777'], ...quick, startLimitMs: 6_000 }
  await start('hangs', { command: shell('sleep 1000'), probe: hangs })
  await until(async () => /sleep 777/.test(await psOf('armada-hangs-1')))
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  assert.is((await psOf('armada-hangs-1')).split('sleep 777').length - 1, 1)
  const report = await monitor.heard('hangs', 'Returned')
  assert.match(report.state === 'Returned' ? report.reason : '', /did not end within 500 ms/)
})

test('http: Ready when its port answers well, Unhealthy when it does not any more', async () => {
  const command = shell('httpd -p 8080 -h /www; sleep 1; echo hi >/www/health; sleep 1000')
  const ports = [{ name: 'web', protocol: 'tcp' as const, policy: 'none' as const, containerPort: 8_080 }]
  await start('web', { command, ports, probe: { type: 'http', port: 'web', path: '/health', ...quick } })
  await monitor.heard('web', 'Ready')
  await dock.engine('POST', '/containers/armada-web-1/pause')
  const report = await monitor.heard('web', 'Unhealthy')
  assert.match(
    report.state === 'Unhealthy' ? report.reason : '',
    /no answer from HTTP port 8080 within 500 ms/,
  )
  await dock.engine('POST', '/containers/armada-web-1/unpause')
  await monitor.heard('web', 'Ready')
})

/** Its processes, as the engine sees them; nothing while it does not run. */
async function psOf(container: string): Promise<string> {
  const path = `/containers/${container}/top?ps_args=-eo%20pid,args`
  return dock.engine('GET', path).catch(() => '')
}

test('a ship whose stop arrives while it is being started ends stopped', async () => {
  await start('hasty', { command: ['sleep', '1000'] })
  await stop('hasty')
  await monitor.heard('hasty', 'Stopped')
  await until(async () => (await dock.inspect('armada-hasty-1')) === undefined)
})

test('a stop without a ship is answered, so that it does not stay in Stopping', async () => {
  monitor.place(host, 'nobody', { image }).state = 'Stopping'
  await dock.sendJobs(host, [{ kind: 'stop', ship: 'nobody', attempt: 1 }])
  await monitor.heard('nobody', 'Stopped')
})

test('probe tcp: Ready when the ship listens, Unhealthy when it does not any more, Ready again', async () => {
  const command = shell('sleep 1; while true; do httpd -f -p 7777 & P=$!; sleep 3; kill $P; sleep 2.5; done')
  const ports = [{ name: 'game', containerPort: 7777, protocol: 'tcp' as const }]
  await start(
    'tcp',
    { command, ports, probe: { type: 'tcp', port: 'game', ...quick } },
    { game: dock.ports.from },
  )
  const beginMs = performance.now()
  await monitor.heard('tcp', 'Ready')
  assert.ok(performance.now() - beginMs > 900, 'a published port accepts before the ship does')
  const report = await monitor.heard('tcp', 'Unhealthy')
  assert.match(report.state === 'Unhealthy' ? report.reason : '', /2 probes in a row failed: nothing listens/)
  const readies = () => monitor.changes.filter(({ report: r }) => r.ship === 'tcp' && r.state === 'Ready')
  await until(() => readies().length === 2)
})

test('probe log: Ready at the line', async () => {
  const command = shell('echo loading; sleep 0.7; echo "[server]: version 0.7"; exec sleep 1000')
  await start('log', { command, probe: { type: 'log', pattern: '[server]: version', ...quick } })
  const beginMs = performance.now()
  await monitor.heard('log', 'Ready')
  const tookMs = performance.now() - beginMs
  assert.ok(tookMs > 600 && tookMs < 4_000, `took ${tookMs} ms`)
})

test('probe query: Ready when the game answers, with players', async () => {
  const info = '{"Info":{"Description":"d","OnlinePlayers":3,"TotalPlayers":16,"OnlinePlayersNames":[]}}'
  const command = shell(`mkdir -p /tmp/w; echo '${info}' >/tmp/w/frontpage; exec httpd -f -p 3001 -h /tmp/w`)
  const ports = [{ name: 'query', containerPort: 3_001, protocol: 'tcp' as const }]
  const probe = { type: 'query', port: 'query', game: 'eco', ...quick } as const
  await start('query', { command, ports, probe, readOnlyRoot: true }, { query: dock.ports.from + 1 })
  await monitor.heard('query', 'Ready')
  const sample = () => monitor.samples.flatMap(({ ships }) => ships).findLast(({ ship }) => ship === 'query')
  await until(() => sample()?.players === 3 && sample()?.cpuMillis !== null, 14_000)
  assert.is(sample()?.maxPlayers, 16)
  assert.ok((sample()?.memoryMiB ?? 0) > 0)
  await dock.engine('POST', '/containers/armada-query-1/kill?signal=SIGKILL')
  const crash = await monitor.heard('query', 'Failed')
  const last = crash.state === 'Failed' ? crash.exit?.sample : undefined
  assert.is(last?.players, 3, 'what was last measured stands with the exit')
  assert.ok((last?.memoryMiB ?? 0) > 0)
})

test('host network and passthrough: the game listens on ARMADA_PORT_<NAME> of the host', async () => {
  const spec: Partial<ShipSpec> = {
    command: ['httpd', '-f', '-p', '$(ARMADA_PORT_MY_GAME)'],
    network: 'host',
    ports: [{ name: 'my-game', protocol: 'tcp', policy: 'passthrough' }],
    probe: { type: 'tcp', port: 'my-game', ...quick },
  }
  const port = dock.ports.from + 2
  await start('hosted', spec, { 'my-game': port })
  await monitor.heard('hosted', 'Ready')
  const answer = await fetch(`http://127.0.0.1:${port}/`)
  assert.is(answer.status, 404)
})

test('not ready in time: stopped and given back, with what the probe said', async () => {
  const probe = { type: 'log', pattern: 'never', ...quick, startLimitMs: 1_000 } as const
  await start('late', { command: shell('echo hello; exec sleep 1000'), probe })
  const report = await monitor.heard('late', 'Returned')
  assert.ok(report.state === 'Returned' && report.fault)
  assert.is(report.reason, 'not ready within 1 s: the last probe said: no line with "never" in its log')
  await until(async () => (await dock.inspect('armada-late-1')) === undefined)
})

test("what a ship's disk and network carry is measured; on the host's network nothing is its own", async () => {
  const command = shell(
    'httpd -p 8080 -h /www; while true; do dd if=/dev/zero of=/tmp/x bs=65536 count=64 conv=fsync; sleep 0.2; done',
  )
  const ports = [{ name: 'web', protocol: 'tcp' as const, policy: 'none' as const, containerPort: 8_080 }]
  await start('carrier', { command, ports, probe: { type: 'tcp', port: 'web', ...quick } })
  await start('plain', { command: ['sleep', '1000'], network: 'host' })
  const sampleOf = (name: string) =>
    monitor.samples.flatMap(({ ships }) => ships).findLast(({ ship }) => ship === name)
  await until(() => (sampleOf('carrier')?.writeBytesPerSecond ?? 0) > 65_536, 45_000)
  const { rxBytesPerSecond, txBytesPerSecond, readBytesPerSecond } = sampleOf('carrier') ?? {}
  assert.ok((rxBytesPerSecond ?? 0) > 100 && (txBytesPerSecond ?? 0) > 100, 'its probes')
  assert.equal(typeof readBytesPerSecond, 'number')
  assert.equal(sampleOf('plain')?.rxBytesPerSecond, null)
})

test('the host sample has figures', () => {
  const last = monitor.samples.at(-1)?.sample
  assert.ok(last && last.memoryMiB > 100 && last.cpuMillis > 0)
  assert.ok((last.diskFreeMiB ?? 0) > 0 && (last.diskTotalMiB ?? 0) > (last.diskFreeMiB ?? 0))
  assert.ok((last.rxBytesPerSecond ?? -1) >= 0 && (last.txBytesPerSecond ?? -1) >= 0)
  assert.equal(last.imageNames, [], 'none was pulled here')
  assert.is(last.degraded, null)
})

test.run()
