// Watching children and values across restarts, lost sessions and missing nodes.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createLog } from '../../../shared/log.ts'
import { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { readings, watchValue } from '../../../shared/zookeeper/watch.ts'
import { until } from '../../harness/until.ts'
import { ZooKeeperServer } from '../../harness/zookeeper.ts'

const test = suite('zookeeper watch')
const log = createLog('test', 'silent')
let server: ZooKeeperServer
let zk: ZooKeeper
let other: ZooKeeper
let over = new AbortController()
const running: Promise<void>[] = []

/** Everything that the stream yields until the test is over. */
function collect<T>(stream: AsyncGenerator<T>): T[] {
  const seen: T[] = []
  const run = async (): Promise<void> => {
    for await (const value of stream) seen.push(value)
  }
  running.push(run())
  return seen
}

test.before(async () => {
  server = await ZooKeeperServer.start(200)
  const options = { servers: server.address, sessionTimeoutMs: 2_000, log }
  zk = await ZooKeeper.connect(options)
  other = await ZooKeeper.connect(options)
})
test.after.each(async () => {
  over.abort()
  await Promise.all(running.splice(0))
  over = new AbortController()
})
test.after(async () => {
  await zk.close()
  await other.close()
  await server.stop()
})

test('children: what is there, then each change; a missing node is empty until it is created', async () => {
  const seen = collect(readings(zk, '/w1', over.signal, () => zk.children('/w1', true)))
  await until(() => seen.length === 1)
  assert.is(seen.at(-1), undefined)
  await other.ensurePath('/w1/a')
  await until(() => seen.at(-1)?.length === 1)
  await other.create('/w1/b', '')
  await until(() => seen.at(-1)?.length === 2)
  await other.delete('/w1/a')
  await until(() => seen.at(-1)?.join() === 'b')
  await other.delete('/w1/b')
  await other.delete('/w1')
  await until(() => seen.at(-1) === undefined)
  await other.ensurePath('/w1/c')
  await until(() => seen.at(-1)?.join() === 'c')
})

test('value: many changes at once are few readings, and the last one is seen', async () => {
  const seen = collect(watchValue(zk, '/w2', over.signal))
  await until(() => seen.length === 1)
  assert.is(seen[0], undefined)
  await other.create('/w2', '0')
  await Promise.all(Array.from({ length: 500 }, (_, i) => other.set('/w2', String(i + 1))))
  await until(() => String(seen.at(-1)) === '500')
  assert.ok(seen.length < 400, `${seen.length} readings`)
  await other.delete('/w2')
  await until(() => seen.at(-1) === undefined)
})

test('watches fire after a restart, after a lost session, and see what changed meanwhile', async () => {
  await other.ensurePath('/w3')
  const seen = collect(watchValue(zk, '/w3', over.signal))
  await until(() => seen.length === 1)
  await server.kill()
  await server.restart()
  await Promise.all([zk.connected(), other.connected()])
  await other.set('/w3', 'after restart')
  await until(() => String(seen.at(-1)) === 'after restart')
  const session = zk.sessionId
  server.pause()
  await until(() => zk.state === 'lost')
  server.resume()
  await other.connected()
  await other.set('/w3', 'after loss')
  await until(() => String(seen.at(-1)) === 'after loss')
  assert.is.not(zk.sessionId, session)
})

test('a reconnection costs one reading for each stream', async () => {
  await other.ensurePath('/w4')
  const seen = collect(watchValue(zk, '/w4', over.signal))
  await until(() => seen.length === 1)
  const before = zk.requests.get
  await server.kill()
  await server.restart()
  await zk.connected()
  await until(() => seen.length === 2)
  await other.connected()
  await zk.sync('/')
  assert.is(zk.requests.get - before, 1)
})

test.run()
