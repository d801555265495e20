// When the Docker engine counts as away: a real one, to which requests go wrong on their way.
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Engine } from '../../agent/docker/engine.ts'
import { type Dockerd, startDockerd } from '../../infra/stack/dockerd.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import { reasonOf, until } from '../harness/until.ts'
import { log } from './dock.ts'
import { type EngineProxy, startEngineProxy } from './engineProxy.ts'

const test = suite('agent: the engine')
let scratch: Scratch
let docker: Dockerd
let proxy: EngineProxy
let engine: Engine

test.before(async () => {
  scratch = await scratchDir('disk')
  docker = await startDockerd({ dir: join(scratch.dir, 'docker'), graceSeconds: 0, endWithParent: true, log })
  proxy = await startEngineProxy(docker.engine.socketPath)
  engine = new Engine(proxy.socketPath)
})
test.after(async () => {
  await docker.stop()
  await scratch.remove()
})

const slow = () => engine.ask('info', 100, () => engine.docker.info())

test('a request that has no answer, while pings have: it is not away for a moment', async () => {
  proxy.fault = (asked) => (asked === 'GET /info' ? 'hang' : undefined)
  assert.match(String(await reasonOf(slow())), /does not answer \(info: no answer within 100 ms\)/)
  assert.is(engine.away, null)
  assert.ok(await engine.ping())
  assert.is(engine.away, null)
})

test('nothing has an answer: it is away until something has', async () => {
  proxy.fault = () => 'hang'
  await reasonOf(slow())
  assert.is(engine.away, null, 'not before a ping had its time')
  await until(() => engine.away !== null, 4_000)
  assert.is(engine.away, 'the Docker engine does not answer (ping: no answer within 2000 ms)')
  proxy.fault = () => undefined
  await engine.list('nobody')
  assert.is(engine.away, null)
})

test('its socket is gone: it is away at once', async () => {
  await proxy.close()
  await reasonOf(slow())
  await until(() => engine.away !== null, 1_000)
  assert.match(engine.away ?? '', /ENOENT|ECONNREFUSED/)
})

test.run()
