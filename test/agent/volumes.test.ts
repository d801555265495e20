// Volumes of ships: what is kept is there again at the next attempt, and goes when the ship is over.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../harness/until.ts'
import { type Dock, image, openDock } from './dock.ts'
import type { FakeMonitor } from './fakeMonitor.ts'

const test = suite('agent: volumes')
const host = 'hold'
let dock: Dock
let monitor: FakeMonitor

test.before(async () => {
  dock = await openDock()
  monitor = dock.monitor
  await dock.startAgent(host)
})
test.after(() => dock.close())

const spec = {
  image,
  user: '1000:1000',
  volumes: [
    { name: 'world', path: '/data/world', keep: true },
    { name: 'cache', path: '/data/cache' },
  ],
  // Says what it finds, leaves something behind, and stays until it is told to go.
  command: [
    'sh',
    '-c',
    'cat /data/world/said /data/cache/said; echo kept >/data/world/said && echo not >/data/cache/said && echo written; sleep 1000 & wait',
  ],
  probe: { type: 'log', pattern: 'written', periodMs: 250, startLimitMs: 20_000 } as const,
}

async function volumes(): Promise<{ Name: string; Labels: Record<string, string> | null }[]> {
  return JSON.parse(await dock.engine('GET', '/volumes')).Volumes ?? []
}

async function run(ship: string, attempt: number): Promise<void> {
  monitor.place(host, ship, spec).attempt = attempt
  await dock.sendJobs(host, [{ kind: 'start', ship, attempt, ports: {} }])
  const isReady = () =>
    monitor.changes.some(
      ({ report }) => report.ship === ship && report.attempt === attempt && report.state === 'Ready',
    )
  await until(isReady, 30_000)
}

test('a user without rights writes to both; the kept one is found again, the other begins empty', async () => {
  await run('keeper', 1)
  const mounts = (await dock.inspect('armada-keeper-1'))?.HostConfig.Mounts as { Source?: string }[]
  assert.equal(
    mounts.map(({ Source }) => Source),
    [`armada.${host}.keeper.world`, undefined],
  )
  assert.is((await volumes()).length, 2)
  await dock.engine('POST', '/containers/armada-keeper-1/kill?signal=SIGKILL')
  await monitor.heard('keeper', 'Failed', 30_000)
  // Its record goes on: it is queued again, as a restart policy has it.
  await run('keeper', 2)
  await until(async () => (await dock.inspect('armada-keeper-1')) === undefined, 30_000)
  assert.is((await volumes()).length, 2, 'of the first attempt the other volume has gone')
  await dock.engine('POST', '/containers/armada-keeper-2/kill?signal=SIGKILL')
  const ended = () =>
    monitor.changes.find(({ report }) => report.attempt === 2 && report.state === 'Failed')?.report
  await until(() => ended() !== undefined, 30_000)
  const report = ended()
  const lines = report?.state === 'Failed' ? (report.exit?.logTail ?? []) : []
  assert.ok(lines.includes('kept'), lines.join('\n'))
  assert.not.ok(lines.includes('not'), lines.join('\n'))
  assert.ok(lines.includes('written'))
})

test('the next ship of a name finds what the last one has kept, and knows its name', async () => {
  const command = [
    'sh',
    '-c',
    'echo I am $ARMADA_SHIP_NAME; cat /data/world/said; echo again >/data/world/said; echo written; sleep 1000 & wait',
  ]
  const named = { ...spec, command }
  const sail = async (ship: string) => {
    Object.assign(monitor.place(host, ship, named), { name: 'lobby-1', keeper: 'lobby-bcdfghjk' })
    await dock.sendJobs(host, [{ kind: 'start', ship, attempt: 1, ports: {} }])
    await monitor.heard(ship, 'Ready', 30_000)
    const mounts = (await dock.inspect(`armada-${ship}-1`))?.HostConfig.Mounts as { Source?: string }[]
    assert.is(mounts[0]?.Source, `armada.${host}.lobby-bcdfghjk.world`)
    await dock.engine('POST', `/containers/armada-${ship}-1/kill?signal=SIGKILL`)
    const report = await monitor.heard(ship, 'Failed', 30_000)
    return report.state === 'Failed' ? (report.exit?.logTail ?? []) : []
  }
  const first = await sail('lobby-bcdfghjk')
  assert.ok(first.includes('I am lobby-1'), first.join('\n'))
  assert.not.ok(first.includes('again'))
  const second = await sail('lobby-zzzzzzzz')
  assert.ok(second.includes('again'), second.join('\n'))
})

test('kept volumes go when their ships are over, and those of others and of foreign programs stay', async () => {
  await dock.engine('POST', '/volumes/create', { Name: 'foreign' })
  await dock.engine('POST', '/volumes/create', {
    Name: 'armada.elsewhere.keeper.world',
    Labels: { 'armada.host': 'elsewhere', 'armada.ship': 'keeper', 'armada.volume': 'world' },
  })
  await run('other', 1)
  await run('leaver', 1)
  monitor.ships.set('leaver', {
    ...(monitor.ships.get('leaver') as never as object),
    state: 'Stopping',
  } as never)
  await dock.sendJobs(host, [{ kind: 'stop', ship: 'leaver', attempt: 1 }])
  await monitor.heard('leaver', 'Stopped', 30_000)
  const named = async () =>
    (await volumes()).map(({ Name }) => Name).filter((name) => !/^[0-9a-f]{64}$/.test(name))
  const ours = ['lobby-bcdfghjk', 'other'].map((keeper) => `armada.${host}.${keeper}.world`)
  const stay = ['armada.elsewhere.keeper.world', ...ours, 'foreign']
  await until(async () => (await named()).length <= stay.length, 90_000)
  assert.equal((await named()).sort(), stay)
})

test.run()
