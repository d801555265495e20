// Presence against a real server: lost sessions, deletion by others, rivals, and many hosts.
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ArmadaError } from '../../../shared/errors.ts'
import { createLog } from '../../../shared/log.ts'
import { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { paths } from '../../../shared/zookeeper/paths.ts'
import { each } from '../../../shared/zookeeper/persistence.ts'
import { keepPresent, watchPresence } from '../../../shared/zookeeper/presence.ts'
import { TcpProxy } from '../../harness/tcpProxy.ts'
import { reasonOf, until } from '../../harness/until.ts'
import { ZooKeeperServer } from '../../harness/zookeeper.ts'

const test = suite('zookeeper presence')
const log = createLog('test', 'silent')
/** Closed after each test, the latest first. */
const opened: { close(): Promise<void> }[] = []
let server: ZooKeeperServer
let over = new AbortController()

async function open(servers = server.address): Promise<ZooKeeper> {
  const zk = await ZooKeeper.connect({ servers, sessionTimeoutMs: 1_000, log })
  opened.push(zk)
  return zk
}

test.before(async () => {
  server = await ZooKeeperServer.start(200)
})
test.after.each(async () => {
  over.abort()
  over = new AbortController()
  for (const thing of opened.splice(0).reverse()) await thing.close()
})
test.after(async () => {
  await server.stop()
})

test('stands, carries its data, heals when deleted, and goes on the signal', async () => {
  const [zk, other] = [await open(), await open()]
  const path = paths.workerPresence('host-a')
  const presence = await keepPresent(zk, path, { boot: 1 }, { signal: over.signal, log })
  assert.equal(JSON.parse(String((await other.get(path))?.data)), { boot: 1 })
  assert.is((await other.exists(path))?.ephemeralOwner, zk.sessionId)
  await other.delete(path)
  await until(async () => (await other.exists(path)) !== undefined)
  over.abort()
  await presence.ended
  assert.is(await other.exists(path), undefined)
})

test('is made again with a new session, and after a wipe', async () => {
  const zk = await open()
  const path = paths.workerPresence('host-b')
  const presence = await keepPresent(zk, path, {}, { signal: over.signal, log })
  const session = zk.sessionId
  server.pause()
  await until(() => zk.state === 'lost')
  server.resume()
  await until(() => zk.state === 'connected')
  await until(async () => (await zk.exists(path))?.ephemeralOwner === zk.sessionId)
  assert.is.not(zk.sessionId, session)
  await server.wipe()
  await server.restart()
  await zk.connected()
  await until(async () => (await zk.exists(path))?.ephemeralOwner === zk.sessionId)
  over.abort()
  await presence.ended
})

test('takes over at once from an earlier life of its own', async () => {
  const proxy = await TcpProxy.start(server.port)
  opened.push(proxy)
  const [before, after] = [await open(proxy.address), await open()]
  const path = paths.workerPresence('host-c')
  const first = new AbortController()
  await keepPresent(before, path, { host: 'c', boot: 1 }, { signal: first.signal, log })
  proxy.refusing = true
  proxy.cut()
  first.abort()
  const began = performance.now()
  const takeOver = (existing: unknown): boolean => (existing as { host: string }).host === 'c'
  await keepPresent(after, path, { host: 'c', boot: 2 }, { signal: over.signal, log, takeOver })
  assert.ok(performance.now() - began < 400)
  assert.equal(JSON.parse(String((await after.get(path))?.data)), { host: 'c', boot: 2 })
})

test('waits for a session that ends, and refuses when its holder stays', async () => {
  const [holder, late] = [await open(), await open()]
  const path = paths.workerPresence('host-d')
  await keepPresent(holder, path, {}, { signal: over.signal, log })
  const began = performance.now()
  const refused = await reasonOf(keepPresent(late, path, {}, { signal: over.signal, log }))
  assert.ok(refused instanceof ArmadaError && refused.code === 'conflict')
  assert.match(refused.message, 'stop it')
  assert.ok(performance.now() - began < 4_500)
  const waiting = keepPresent(late, path, {}, { signal: over.signal, log })
  await delay(300)
  await holder.close()
  await waiting
  assert.is((await late.exists(path))?.ephemeralOwner, late.sessionId)
})

test('follows 1,000 hosts with one request each, and sees every change, also after reconnections', async () => {
  await server.wipe()
  await server.restart()
  const [zk, hosts] = [await open(), await open()]
  const ids = Array.from({ length: 1_000 }, (_, i) => `h${i}`)
  await hosts.ensurePath(paths.workers)
  await each(ids, 64, (id) => hosts.create(paths.worker(id), ''))
  await each(ids.slice(0, 500), 64, (id) => hosts.create(paths.workerPresence(id), '', 'ephemeral'))
  let picture: ReadonlyMap<string, boolean> = new Map()
  let calls = 0
  const watching = watchPresence(zk, over.signal, (all, changed) => {
    if (calls++ === 0) assert.is(changed.length, 1_000)
    picture = all
  })
  const present = (): number => [...picture.values()].filter(Boolean).length
  await until(() => calls === 1)
  assert.is(present(), 500)
  assert.is(zk.requests.exists, 1_000)
  assert.is(zk.requests.children, 1)

  await hosts.create(paths.workerPresence('h700'), '', 'ephemeral')
  await until(() => picture.get('h700') === true)
  assert.is(zk.requests.exists, 1_001)
  await hosts.delete(paths.workerPresence('h0'))
  await hosts.delete(paths.worker('h0'))
  await hosts.create(paths.worker('new'), '')
  await until(() => !picture.has('h0') && picture.get('new') === false)

  await hosts.close()
  await until(() => present() === 0)
  await server.kill()
  await server.restart()
  await zk.connected()
  const again = await open()
  await again.create(paths.workerPresence('h1'), '', 'ephemeral')
  await until(() => picture.get('h1') === true)
  const session = zk.sessionId
  server.pause()
  await until(() => zk.state === 'lost')
  server.resume()
  await until(() => zk.state === 'connected' && zk.sessionId !== session)
  await until(() => picture.get('h1') === false)
  over.abort()
  await watching
})

test.run()
