// Ends that the Docker engine stands in the way of: none of them holds up another ship, and what keeps one from ending is
// told. The engine is a real one; single requests to it go wrong on their way.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sleep } from '../../shared/loop.ts'
import { until } from '../harness/until.ts'
import { type Agent, type Dock, openDock, type ShipSpec } from './dock.ts'
import { type EngineProxy, startEngineProxy } from './engineProxy.ts'
import type { FakeMonitor } from './fakeMonitor.ts'

const test = suite('agent: ends that the engine stands in the way of')
const host = 'ends'
let dock: Dock
let monitor: FakeMonitor
let proxy: EngineProxy
let agent: Agent

test.before(async () => {
  dock = await openDock()
  monitor = dock.monitor
  proxy = await startEngineProxy(dock.docker.engine.socketPath)
  await startAgent()
})
test.before.each(() => {
  proxy.fault = () => undefined
  monitor.refuse = () => undefined
})
test.after(async () => {
  await dock.close()
  await proxy.close()
})

async function startAgent(env: Record<string, string> = {}): Promise<void> {
  agent = await dock.startAgent(host, { ARMADA_DOCKER: proxy.socketPath, ...env })
}

const busy = { status: 500, json: { message: 'unlinkat /merged: device or resource busy' } }
const atOnce = { graceMs: 0 }

/** @returns the id of its container. */
async function run(ship: string, spec: Partial<ShipSpec> = {}): Promise<string> {
  await dock.sendShip(host, ship, { command: ['sleep', '1000'], lifecycle: atOnce, ...spec })
  await monitor.heard(ship, 'Ready')
  return (await dock.inspect(`armada-${ship}-1`))?.Id ?? ''
}

async function stop(ship: string): Promise<void> {
  const record = monitor.ships.get(ship)
  if (record) record.state = 'Stopping'
  await dock.sendJobs(host, [{ kind: 'stop', ship, attempt: 1 }])
}

const isGone = async (ship: string) => (await dock.inspect(`armada-${ship}-1`)) === undefined
const isRemovalOf = (id: string, asked: string) => asked.startsWith(`DELETE /containers/${id}`)

test('containers whose removal hangs: other ends are told at once, and they go when the engine lets them', async () => {
  const ids = await Promise.all(['h1', 'h2', 'h3', 'h4'].map((ship) => run(ship)))
  await run('beside')
  proxy.fault = (asked) => (ids.some((id) => isRemovalOf(id, asked)) ? 'hang' : undefined)
  for (const ship of ['h1', 'h2', 'h3', 'h4']) await stop(ship)
  for (const ship of ['h1', 'h2', 'h3', 'h4']) await monitor.heard(ship, 'Stopped')
  await until(() => ids.every((id) => proxy.asked.some((asked) => isRemovalOf(id, asked))))
  await stop('beside')
  await monitor.heard('beside', 'Stopped', 5_000)
})

test('a dead container that cannot be removed keeps no new agent from its work, and goes in the end', async () => {
  const id = await run('undead')
  proxy.fault = (asked) => (isRemovalOf(id, asked) ? busy : undefined)
  await stop('undead')
  await monitor.heard('undead', 'Stopped')
  await agent.kill()
  await startAgent()
  await run('after-undead')
  await stop('after-undead')
  await monitor.heard('after-undead', 'Stopped')
  assert.not.ok(await isGone('undead'))
  proxy.fault = () => undefined
  await until(() => isGone('undead'), 20_000)
})

test('a container that the engine does not kill: the record says why, and the agent kills it, not asking too often', async () => {
  const id = await run('clung-to')
  const other = await run('bystander')
  proxy.fault = (asked) => (asked.startsWith(`POST /containers/${id}/kill`) ? busy : undefined)
  const before = proxy.asked.length
  await stop('clung-to')
  const trouble = await monitor.heard('clung-to', 'Stopping')
  assert.is(
    trouble.state === 'Stopping' && trouble.reason,
    `Docker on ${host} does not end it: ${busy.json.message}`,
  )
  const report = await monitor.heard('clung-to', 'Stopped')
  assert.is(report.state === 'Stopped' && report.exit?.code, 137)
  const asked = proxy.asked.slice(before).filter((one) => one.includes(id)).length
  assert.ok(asked < 60, `${asked} requests`)
  assert.is((await dock.inspect('armada-bystander-1'))?.Id, other)
})

test('a stray that the engine has locked up holds up the first hello for its limit, not for ever', async () => {
  const id = await run('locked')
  await agent.kill()
  monitor.ships.delete('locked')
  proxy.fault = (asked) => (asked.includes(`/containers/${id}/`) ? 'hang' : undefined)
  const beginMs = performance.now()
  await startAgent()
  await run('after-locked')
  const tookMs = performance.now() - beginMs
  assert.ok(tookMs > 3_000, `${tookMs} ms: it has to go first`)
  assert.is((await dock.inspect('armada-locked-1'))?.State.Status, 'running')
  proxy.fault = () => undefined
  await until(() => isGone('locked'), 30_000)
})

test('an answer that nobody understands in the middle of an ending: it goes on when there are better ones', async () => {
  const id = await run('garbled')
  proxy.fault = (asked) =>
    asked.startsWith(`GET /containers/${id}/json`) ? { status: 200, json: {} } : undefined
  await stop('garbled')
  await until(() => proxy.asked.filter((asked) => asked.startsWith(`GET /containers/${id}/json`)).length > 2)
  proxy.fault = () => undefined
  await monitor.heard('garbled', 'Stopped')
})

test('an end that the ApiServer never took is told again, without what may have been wrong with it', async () => {
  await run('untold')
  const isEnd = ({ state, ship }: { state: string; ship: string }) => ship === 'untold' && state === 'Stopped'
  let refusals = 0
  monitor.refuse = (changes) => {
    if (!changes.some(isEnd)) return undefined
    refusals++
    return 'invalid_request'
  }
  await stop('untold')
  await until(() => isGone('untold'), 20_000)
  monitor.refuse = () => undefined
  const seen = refusals
  assert.ok(seen > 0)
  monitor.resync()
  const report = await monitor.heard('untold', 'Stopped')
  assert.is(report.state === 'Stopped' && report.exit, null)
})

/** Starts a ship of whose start nobody hears, nor of the engine from then on. */
async function runUnheard(ship: string, lifecycle: ShipSpec['lifecycle'] = atOnce): Promise<void> {
  let started = false
  proxy.fault = (asked) => {
    const isStart = /^POST \/containers\/\w+\/start/.test(asked)
    started ||= isStart
    if (isStart) return 'cut'
    return started && asked === 'GET /_ping' ? 'hang' : undefined
  }
  await dock.sendShip(host, ship, { command: ['sleep', '1000'], lifecycle })
  await until(async () => (await dock.inspect(`armada-${ship}-1`))?.State.Status === 'running')
}

test('a start that got no answer, and the host is cut off meanwhile: the ship has ended before it is given back', async () => {
  await runUnheard('twin', { graceMs: 0, hostLost: { policy: 'replace', afterMs: 2_000 } })
  dock.zookeeper.pause()
  monitor.away = true
  await until(() => /"why":"given-back"/.test(agent.output()) || /cut off/.test(agent.output()), 15_000)
  monitor.away = false
  dock.zookeeper.resume()
  proxy.fault = () => undefined
  await monitor.heard('twin', 'Returned')
  assert.is.not((await dock.inspect('armada-twin-1'))?.State.Status, 'running', 'it would run twice')
})

test('a start that got no answer, and the host leaves: the ship is ended, given back, and nothing is left', async () => {
  await agent.kill()
  await startAgent({ ARMADA_ON_STOP: 'return' })
  await runUnheard('unheard')
  agent.process.kill('SIGTERM')
  await sleep(500)
  proxy.fault = () => undefined
  await monitor.heard('unheard', 'Returned')
  const status = (await dock.inspect('armada-unheard-1'))?.State.Status
  assert.is.not(status, 'running', 'it would run twice')
  assert.is(await agent.ended, 0)
  assert.ok(await isGone('unheard'))
})

test.run()
