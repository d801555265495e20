// A disk that is full, or does not answer: the host is degraded and begins nothing new; what runs is stopped and told of
// as ever, and all is well again by itself.
import { execFileSync } from 'node:child_process'
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sleep } from '../../shared/loop.ts'
import { until } from '../harness/until.ts'
import { type Dock, openDock } from './dock.ts'
import type { FakeMonitor } from './fakeMonitor.ts'

const test = suite('agent: disks')
const host = 'disk'
let dock: Dock
let monitor: FakeMonitor
let dir: string

test.before(async () => {
  dock = await openDock()
  monitor = dock.monitor
  dir = mkdtempSync(join(tmpdir(), 'armada-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', dir])
  await dock.startAgent(host, { ARMADA_STATE_DIR: dir })
})
test.after(async () => {
  await dock.close()
  execFileSync('umount', ['-l', dir])
  rmSync(dir, { recursive: true })
})

const degraded = () => monitor.samples.at(-1)?.sample.degraded

async function run(ship: string): Promise<void> {
  await dock.sendShip(host, ship, { command: ['sleep', '1000'], lifecycle: { graceMs: 0 } })
  await monitor.heard(ship, 'Ready')
}

/** While the disk is in trouble. */
async function mayStopButNotStart(running: string, next: string): Promise<void> {
  await dock.sendShip(host, next, { command: ['sleep', '1000'], lifecycle: { graceMs: 0 } })
  await dock.sendJobs(host, [{ kind: 'stop', ship: running, attempt: 1 }])
  await monitor.heard(running, 'Stopped', 5_000)
  await sleep(1_000)
  assert.not.ok(monitor.claims.some(({ ship }) => ship === next))
}

test('full: nothing new until there is room again', async () => {
  await run('full-runs')
  writeFileSync(join(dir, 'filler'), Buffer.alloc(63 * 1_048_576))
  await until(() => degraded() != null)
  assert.match(degraded() ?? '', /the disk of the agent's state \(.*\) has 0 of 64 MiB free; make room/)
  await mayStopButNotStart('full-runs', 'full-next')
  rmSync(join(dir, 'filler'))
  await monitor.heard('full-next', 'Ready', 25_000)
  await until(() => degraded() === null)
})

test('a write that hangs: it is said, holds up no report, and is over when the write is', async () => {
  const file = join(dir, 'disk-check')
  await run('hung-runs')
  // Whoever opens a pipe to write hangs until somebody reads it.
  execFileSync('mkfifo', [file])
  await until(() => degraded() != null, 25_000)
  assert.match(degraded() ?? '', /does not answer within 5 s; look at the kernel's log/)
  await mayStopButNotStart('hung-runs', 'hung-next')
  const reader = createReadStream(file).resume()
  await monitor.heard('hung-next', 'Ready', 25_000)
  await until(() => degraded() === null)
  reader.destroy()
})

test.run()
