// A dockerd that takes its containers with it: killed and started again it ends them, and each end is told once.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../harness/until.ts'
import { type Dock, openDock } from './dock.ts'
import type { FakeMonitor } from './fakeMonitor.ts'

const test = suite('agent: no live-restore')
const host = 'frail'
let dock: Dock
let monitor: FakeMonitor

test.before(async () => {
  dock = await openDock({ liveRestore: false })
  monitor = dock.monitor
  await dock.startAgent(host)
})
test.after(() => dock.close())

const ships = ['one', 'two', 'three']
const command = ['sleep', '1000']

test('dockerd is killed and comes back: degraded is told, what it ended is told and goes, new ships start', async () => {
  for (const ship of ships) await dock.sendShip(host, ship, { command })
  for (const ship of ships) await monitor.heard(ship, 'Ready')
  const last = () => monitor.samples.at(-1)?.sample
  await dock.docker.kill()
  await dock.sendShip(host, 'next', { command })
  await until(() => last()?.degraded != null, 12_000)
  assert.not.ok(monitor.claims.some(({ ship }) => ship === 'next'))
  await dock.docker.restart()
  for (const ship of ships) await monitor.heard(ship, 'Failed')
  await monitor.heard('next', 'Ready')
  await until(async () => (await dock.containers()).length === 1)
  for (const ship of ships) {
    const told = monitor.changes.filter(({ report }) => report.ship === ship)
    assert.equal(
      told.map(({ report }) => report.state),
      ['Ready', 'Failed'],
    )
  }
  await until(() => last()?.degraded === null, 12_000)
  assert.equal(
    monitor.holdings.get(host)?.map(({ ship }) => ship),
    ['next'],
  )
})

test.run()
