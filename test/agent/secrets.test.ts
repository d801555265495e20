// Secrets of ships: files in memory for their user alone, in nobody's description, gone when the ship has left.
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../harness/until.ts'
import { type Agent, type Dock, openDock, type ShipSpec } from './dock.ts'
import type { FakeMonitor } from './fakeMonitor.ts'

const test = suite('agent: secrets')
const host = 'vault'
const dir = `/dev/shm/armada-test-${process.pid}`
/** Not in memory. */
const disk = join(import.meta.dirname, `../../.armada/secrets-test-${process.pid}`)
const value = 'a-secret-that-nobody-sees'
let dock: Dock
let monitor: FakeMonitor
let agent: Agent

test.before(async () => {
  dock = await openDock()
  monitor = dock.monitor
  monitor.secrets.set('key', value)
  agent = await dock.startAgent(host, { ARMADA_SECRETS_DIR: dir })
})
test.after(async () => {
  await dock.close()
  rmSync(disk, { recursive: true, force: true })
  rmSync(dir, { recursive: true, force: true })
})

const start = (ship: string, spec: Partial<ShipSpec>, on = host) => dock.sendShip(on, ship, spec)
const secrets = [{ name: 'key', path: '/etc/game/key' }]
const folders = () => readdirSync(join(dir, host))

test('its user reads it and cannot write it; neither the engine nor the agent tells it', async () => {
  const script = '[ -n "$(cat /etc/game/key)" ] && ! echo x >/etc/game/key && echo ok; exec sleep 1000'
  const probe = { type: 'log', pattern: 'ok', periodMs: 250, startLimitMs: 20_000 } as const
  await start('reader', { user: '1000:1000', secrets, probe, command: ['sh', '-c', script] })
  await monitor.heard('reader', 'Ready', 30_000)
  const inspected = await dock.engine('GET', '/containers/armada-reader-1/json')
  assert.not.match(inspected, new RegExp(value))
  assert.match(inspected, /vault\/reader\.1\/0/)
  assert.equal(folders(), ['reader.1'])
})

test("without a user it is root's; another user of the container cannot read it", async () => {
  const probe = { type: 'log', pattern: 'never', periodMs: 250, startLimitMs: 20_000 } as const
  await start('rooted', { secrets, probe, command: ['sh', '-c', 'cat /etc/game/key; exit 3'] })
  const rooted = await monitor.heard('rooted', 'Returned', 30_000)
  assert.equal(rooted.state === 'Returned' && rooted.exit?.logTail, [value])
  const { uid, mode } = statSync(join(dir, host, 'reader.1', '0'))
  assert.equal([uid, mode & 0o777], [1_000, 0o400])
  assert.is(statSync(join(dir, host)).mode & 0o777, 0o700)
  await until(() => folders().join() === 'reader.1', 30_000)
})

test('the next agent keeps the files of what it adopts, and removes what others have left', async () => {
  await agent.kill()
  const gone = join(dir, host, 'long-gone.7')
  mkdirSync(gone)
  agent = await dock.startAgent(host, { ARMADA_SECRETS_DIR: dir })
  await until(() => !existsSync(gone), 30_000)
  assert.equal(folders(), ['reader.1'])
  const record = monitor.ships.get('reader')
  if (record) record.state = 'Stopping'
  await dock.sendJobs(host, [{ kind: 'stop', ship: 'reader', attempt: 1 }])
  await monitor.heard('reader', 'Stopped', 30_000)
  await until(() => folders().length === 0, 30_000)
  assert.not.match(agent.output(), new RegExp(value))
})

test('a secret that is not there, and a host without memory for them: given back with what to do', async () => {
  await start('poor', { secrets: [{ name: 'unknown', path: '/key' }] })
  const poor = await monitor.heard('poor', 'Returned', 30_000)
  assert.match(poor.state === 'Returned' ? poor.reason : '', /There is no secret "unknown"/)
  await dock.startAgent('disk', { ARMADA_SECRETS_DIR: disk })
  await start('written', { secrets }, 'disk')
  const written = await monitor.heard('written', 'Returned', 30_000)
  assert.match(written.state === 'Returned' ? written.reason : '', /is not on a tmpfs; ARMADA_SECRETS_DIR/)
})

test.run()
