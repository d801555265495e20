// The runners as processes: killed in the middle of a burst, stopped, and started wrongly.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { paths } from '../../../shared/zookeeper/paths.ts'
import { until } from '../../harness/until.ts'
import { Recorder } from './recorder.ts'
import { demand, hostNamed, Tree, ticket, ZooKeeperServer } from './tree.ts'

const runners = suite('runner processes')
const children: ChildProcess[] = []
let server: ZooKeeperServer

function start(args: readonly string[], env: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', 'functions/runners/run.ts', ...args], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  children.push(child)
  return child
}

async function scene() {
  const { tree, address } = await Tree.open(server)
  const recorder = new Recorder()
  const env = {
    ARMADA_ZOOKEEPER: address,
    ARMADA_API: await recorder.start(),
    ARMADA_RUNNER_TOKEN: 'a-token-for-runner-tests',
    ARMADA_SESSION_MS: '2000',
    ARMADA_LOG: process.env.ARMADA_LOG ?? 'error',
  }
  const leader = async (): Promise<string | undefined> =>
    ((await tree.zk.children(paths.schedulerElection)) ?? []).sort((a, b) =>
      a.slice(-10).localeCompare(b.slice(-10)),
    )[0]
  return { tree, recorder, env, leader }
}

runners.before(async () => {
  server = await ZooKeeperServer.start()
})
runners.after(async () => {
  for (const child of children) child.kill('SIGKILL')
  await server.stop()
})

runners(
  'a leader killed in the middle of a burst: the next one finishes, and no ticket is lost',
  async () => {
    const { tree, recorder, env, leader } = await scene()
    const hosts = Array.from({ length: 20 }, (_, i) => `host-${i}`)
    for (const host of hosts) await tree.join(hostNamed(host))
    const first = start(['scheduler'], env)
    await until(async () => (await leader()) !== undefined, 20_000)
    const second = start(['scheduler'], env)
    await until(async () => ((await tree.zk.children(paths.schedulerElection)) ?? []).length === 2, 20_000)
    const distributed = demand({ placement: { strategy: 'distributed' } })
    const ships = Array.from({ length: 2_000 }, (_, i) => `ship-${i}`)
    const queued = (async () => {
      for (let i = 0; i < ships.length; i += 20) {
        await tree.queue(ships.slice(i, i + 20).map((ship) => ticket(ship, { demand: distributed })))
      }
    })()
    await until(() => recorder.placed.length > 100)
    first.kill('SIGKILL')
    const killedAtMs = performance.now()
    const before = recorder.reports.length
    await queued
    await until(
      () => recorder.reports.length > before && recorder.reports.at(-1)?.epoch !== recorder.reports[0]?.epoch,
      20_000,
    )
    const gapMs = performance.now() - killedAtMs
    assert.ok(gapMs < 4_000, `the next leader placed after ${Math.round(gapMs)} ms`)
    await until(async () => (await tree.queued()).length === 0, 20_000)
    const jobs = await tree.jobs(hosts)
    assert.is(new Set(jobs.map((job) => job.ship)).size, 2_000)
    assert.ok(jobs.length - 2_000 <= 1_000, `${jobs.length - 2_000} doubles`)
    const numbers = new Set(jobs.map((job) => `${job.ship} ${job.host}`))
    assert.ok(numbers.size >= 2_000)

    const stoppedAtMs = performance.now()
    second.kill('SIGTERM')
    const [code] = await once(second, 'exit')
    assert.is(code, 0)
    const exitMs = performance.now() - stoppedAtMs
    assert.ok(exitMs < 1_000, `it took ${Math.round(exitMs)} ms to exit`)
    assert.equal(await tree.zk.children(paths.schedulerElection), [])
    await tree.zk.close()
    await recorder.stop()
  },
)

runners('SIGTERM ends a runner within a second also when ZooKeeper does not answer', async () => {
  const { tree, recorder, env, leader } = await scene()
  const child = start(['both'], env)
  await until(async () => (await leader()) !== undefined, 20_000)
  server.pause()
  const stoppedAtMs = performance.now()
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  const exitMs = performance.now() - stoppedAtMs
  server.resume()
  assert.is(code, 0)
  assert.ok(exitMs < 1_500, `it took ${Math.round(exitMs)} ms to exit`)
  await tree.zk.close()
  await recorder.stop()
})

runners('SIGTERM gives leadership away at once also when the ApiServer does not answer', async () => {
  const { tree, recorder, env, leader } = await scene()
  recorder.hangs = true
  await tree.join(hostNamed('one'))
  const child = start(['scheduler'], env)
  await until(async () => (await leader()) !== undefined, 20_000)
  await tree.queue([ticket('a')])
  await until(async () => (await tree.queued()).length === 0)
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  assert.is(code, 0)
  assert.is(await leader(), undefined)
  await tree.zk.close()
  await recorder.stop()
})

runners('a wrong argument and missing settings are explained', async () => {
  const outcome = async (args: string[], env: Record<string, string> = {}) => {
    const child = start(args, env)
    let text = ''
    child.stderr?.on('data', (data) => {
      text += data
    })
    const [code] = await once(child, 'close')
    return { code, text }
  }
  const [wrong, none, unset] = await Promise.all([outcome(['sheduler']), outcome([]), outcome(['both'])])
  assert.is(wrong.code, 2)
  assert.match(wrong.text, 'Give one of scheduler, controllers, both; not "sheduler"')
  assert.is(none.code, 2)
  assert.is(unset.code, 1)
  assert.match(unset.text, 'ARMADA_ZOOKEEPER is not set')
})

runners.run()
