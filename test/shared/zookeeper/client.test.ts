// The session against a real server that is stopped, frozen, wiped and cut off.
import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ArmadaError } from '../../../shared/errors.ts'
import { createLog } from '../../../shared/log.ts'
import { type ConnectOptions, type SessionState, ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { isKeeper, type KeeperError } from '../../../shared/zookeeper/keeperError.ts'
import { TcpProxy } from '../../harness/tcpProxy.ts'
import { reasonOf, until } from '../../harness/until.ts'
import { freePort, ZooKeeperServer } from '../../harness/zookeeper.ts'

const test = suite('zookeeper client')
const log = createLog('test', 'silent')
/** Closed after each test, the latest first. */
const opened: { close(): Promise<void> }[] = []
let server: ZooKeeperServer

async function open(options: Partial<ConnectOptions> = {}): Promise<ZooKeeper> {
  const zk = await ZooKeeper.connect({ servers: server.address, sessionTimeoutMs: 1_500, log, ...options })
  opened.push(zk)
  return zk
}

/** The states that are said from now on. */
function statesOf(zk: ZooKeeper): SessionState[] {
  const states: SessionState[] = []
  zk.onState((state) => states.push(state))
  return states
}

async function failure(promise: Promise<unknown>): Promise<KeeperError> {
  const error = await reasonOf(promise)
  if (!isKeeper(error)) throw new Error(`expected a KeeperError, not ${error}`)
  return error
}

function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

test.before(async () => {
  server = await ZooKeeperServer.start(500)
})
test.after.each(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close()
})
test.after(async () => {
  await server.stop()
})

test('creates, reads, writes and deletes, and says what does not fit', async () => {
  const zk = await open()
  await zk.ensurePath('/t1/a')
  assert.is(await zk.create('/t1/a/n', 'one'), '/t1/a/n')
  assert.is((await failure(zk.create('/t1/a/n', ''))).code, 'node_exists')
  assert.is((await failure(zk.create('/t1/no/n', ''))).code, 'no_node')
  assert.is((await failure(zk.create('no slash', ''))).code, 'bad_arguments')
  const found = await zk.get('/t1/a/n')
  assert.is(String(found?.data), 'one')
  assert.is(found?.stat.version, 0)
  assert.is((await zk.set('/t1/a/n', Buffer.from('two'), 0)).version, 1)
  const refused = await failure(zk.set('/t1/a/n', 'three', 0))
  assert.is(refused.code, 'bad_version')
  assert.is(refused.unknown, false)
  assert.is((await failure(zk.delete('/t1/a'))).code, 'not_empty')
  assert.match(await zk.create('/t1/a/s-', '', 'persistent_sequential'), /^\/t1\/a\/s-\d{10}$/)
  const ephemeral = await zk.create('/t1/a/e-', '', 'ephemeral_sequential')
  assert.is((await zk.exists(ephemeral))?.ephemeralOwner, zk.sessionId)
  assert.is((await zk.children('/t1/a'))?.length, 3)
  assert.is(await zk.delete('/t1/a/n'), true)
  assert.is(await zk.delete('/t1/a/n'), false)
  assert.is(await zk.get('/t1/a/n'), undefined)
  assert.is(await zk.exists('/t1/a/n'), undefined)
  assert.is(await zk.children('/t1/a/n'), undefined)
  assert.is((await zk.get('/t1/a'))?.data.length, 0)
  assert.is(zk.requests.create, 7)
})

test('refuses values over 512 KB before sending', async () => {
  const zk = await open()
  const states = statesOf(zk)
  const refused = await failure(zk.create('/large', Buffer.alloc(513 * 1024)))
  assert.is(refused.code, 'too_large')
  assert.is(refused.unknown, false)
  assert.is(zk.requests.create, 0)
  await zk.create('/large', Buffer.alloc(512 * 1024))
  assert.is((await zk.get('/large'))?.data.length, 512 * 1024)
  assert.equal(states, [])
})

test('ephemeral nodes go at once when the client closes', async () => {
  const [zk, other] = [await open(), await open()]
  await zk.create('/gone', '', 'ephemeral')
  await zk.close()
  assert.is(await other.exists('/gone'), undefined)
  assert.is(zk.state, 'closed')
  const refused = await failure(zk.get('/gone'))
  assert.is(refused.code, 'closed')
  assert.is(refused.unknown, false)
})

test('a missing node is watched for its creation', async () => {
  const zk = await open()
  const events: string[] = []
  zk.onPath('/t2', (event, path) => events.push(`${event} ${path}`))
  zk.onEvent((event) => events.push(event))
  assert.is(await zk.get('/t2', true), undefined)
  await zk.create('/t2', '')
  await until(() => events.length === 2)
  assert.equal(events, ['created /t2', 'created'])
})

test('server stopped and restarted: suspended at once, then the same session', async () => {
  const zk = await open({ sessionTimeoutMs: 10_000 })
  await zk.create('/kept', '', 'ephemeral')
  const states = statesOf(zk)
  const session = zk.sessionId
  const under = failure(zk.create('/under-way', ''))
  const stopped = performance.now()
  await server.kill()
  await until(() => states.length > 0)
  assert.ok(performance.now() - stopped < 500)
  assert.equal(states, ['suspended'])
  assert.ok((await Promise.race([under, failure(zk.get('/kept'))])).passing)
  const refused = await failure(zk.get('/kept'))
  assert.is(refused.code, 'connection_loss')
  assert.is(refused.unknown, false)
  const restarting = server.restart()
  await zk.connected(undefined, 10_000)
  await restarting
  assert.is(zk.sessionId, session)
  assert.is((await zk.exists('/kept'))?.ephemeralOwner, session)
})

test('a server that hangs past the session: suspended, lost by our own clock, then a new session', async () => {
  const zk = await open()
  await zk.create('/e1', '', 'ephemeral')
  const session = zk.sessionId
  const states = statesOf(zk)
  const began = performance.now()
  server.pause()
  await until(() => states.includes('suspended'))
  assert.ok(performance.now() - began < 1_500, 'suspended before the session is over')
  await until(() => states.includes('lost'))
  assert.ok(performance.now() - began < 3_200)
  server.resume()
  await zk.connected(undefined, 5_000)
  assert.equal(states, ['suspended', 'lost', 'connected'])
  assert.is.not(zk.sessionId, session)
  assert.is(await zk.exists('/e1'), undefined)
})

test('a session called lost is closed even when the server still knew it', async () => {
  const zk = await open()
  await zk.create('/e2', '', 'ephemeral')
  const session = zk.sessionId
  const states = statesOf(zk)
  await server.kill()
  await until(() => states.includes('lost'))
  await server.restart()
  await zk.connected(undefined, 5_000)
  assert.is.not(zk.sessionId, session)
  assert.is(await zk.exists('/e2'), undefined)
})

test('data wiped: the session is lost, the client lives on', async () => {
  const zk = await open()
  const states = statesOf(zk)
  await zk.ensurePath('/t3')
  await server.wipe()
  await server.restart()
  await until(() => states.includes('lost') && zk.state === 'connected')
  assert.is(await zk.exists('/t3'), undefined)
})

test('our own freeze is noticed by whoever asks first, and healed by a round trip', async () => {
  const zk = await open()
  await zk.create('/e3', '', 'ephemeral')
  const states = statesOf(zk)
  freeze(1_100)
  const refused = await failure(zk.get('/e3'))
  assert.is(refused.code, 'connection_loss')
  assert.equal(states, ['suspended'])
  await zk.connected(undefined, 2_000)
  assert.ok(await zk.exists('/e3'))
})

test('frozen past the session together with the server: lost, and nothing of ours is left', async () => {
  const zk = await open()
  await zk.create('/e4', '', 'ephemeral')
  const states = statesOf(zk)
  server.pause()
  freeze(2_000)
  server.resume()
  assert.is(zk.state, 'lost')
  await zk.connected(undefined, 5_000)
  assert.equal(states, ['suspended', 'lost', 'connected'])
  assert.is(await zk.exists('/e4'), undefined)
})

test('a request without an answer ends at its limit, as unknown', async () => {
  const zk = await open({ requestTimeoutMs: 300 })
  server.pause()
  const began = performance.now()
  const late = await failure(zk.create('/late', ''))
  server.resume()
  assert.is(late.code, 'timeout')
  assert.ok(late.unknown)
  assert.ok(performance.now() - began < 600)
})

test('connect: waits for a server that comes later, gives up on one that does not, stops when told', async () => {
  const servers = `127.0.0.1:${await freePort()}`
  const began = performance.now()
  const error = await ZooKeeper.connect({ servers, log, connectTimeoutMs: 400 }).catch(
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ArmadaError && error.code === 'unavailable')
  assert.ok(performance.now() - began < 900)
  const stopped = ZooKeeper.connect({ servers, log }, AbortSignal.timeout(100))
  assert.match(String(await reasonOf(stopped)), /Timeout/)
  await server.kill()
  const connecting = open()
  await server.restart()
  assert.is((await connecting).state, 'connected')
  const named = await open({ servers: `nowhere.invalid:1,localhost:${server.port}` })
  assert.is(named.state, 'connected')
})

test('chroot is created, and created again after a wipe', async () => {
  const zk = await open({ servers: `${server.address}/deep/root` })
  await zk.ensurePath('/a')
  assert.ok(await (await open()).exists('/deep/root/a'))
  await server.wipe()
  await server.restart()
  await until(() => zk.state === 'connected')
  await zk.ensurePath('/a')
  assert.ok(await zk.exists('/a'))
})

test('a secret protects what ensurePath creates, also after a reconnection', async () => {
  const zk = await open({ secret: 'harbour' })
  await zk.ensurePath('/guarded/queue')
  const stranger = await open()
  assert.is((await failure(stranger.create('/guarded/queue/x', ''))).code, 'no_auth')
  assert.is((await failure(stranger.children('/guarded'))).code, 'no_auth')
  await server.kill()
  await server.restart()
  await zk.connected()
  await zk.create('/guarded/queue/x', '')
  const friend = await open({ secret: 'harbour' })
  assert.equal(await friend.children('/guarded/queue'), ['x'])
})

test('large replies in small pieces do not end the session', async () => {
  const proxy = await TcpProxy.start(server.port)
  opened.push(proxy)
  proxy.pieceBytes = 1_400
  const zk = await open({ servers: proxy.address, sessionTimeoutMs: 10_000 })
  const states = statesOf(zk)
  await zk.create('/pieces', Buffer.alloc(400 * 1024, 7))
  assert.is((await zk.get('/pieces'))?.data.length, 400 * 1024)
  assert.equal(states, [])
})

test('20,000 watched reads, and 60 reconnections, leave nothing behind', async () => {
  const proxy = await TcpProxy.start(server.port)
  opened.push(proxy)
  const zk = await open({ servers: proxy.address })
  const states = statesOf(zk)
  await zk.ensurePath('/leak')
  const readMany = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 100) {
      const stop = zk.onPath('/leak', () => undefined)
      await Promise.all(Array.from({ length: 100 }, () => zk.get('/leak', true)))
      stop()
    }
  }
  const heapMiB = async (): Promise<number> => {
    await delay(20)
    collectGarbage()
    return process.memoryUsage().heapUsed / 2 ** 20
  }
  await readMany(4_000)
  const before = await heapMiB()
  await readMany(20_000)
  for (let i = 0; i < 60; i++) {
    const cuts = states.length
    proxy.cut()
    await until(() => states.length === cuts + 2)
  }
  const grown = (await heapMiB()) - before
  assert.ok(grown < 1, `heap grew by ${grown.toFixed(2)} MiB`)
  assert.is(zk.state, 'connected')
})

test.run()
