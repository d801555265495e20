// The queue against a real server: groups, bounds, lost answers, poison, and ten thousand entries.
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ArmadaError } from '../../../shared/errors.ts'
import { createLog } from '../../../shared/log.ts'
import { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { each } from '../../../shared/zookeeper/persistence.ts'
import { type Entry, enqueue, QueueConsumer, QueueProducer } from '../../../shared/zookeeper/queue.ts'
import { TcpProxy } from '../../harness/tcpProxy.ts'
import { reasonOf, until } from '../../harness/until.ts'
import { ZooKeeperServer } from '../../harness/zookeeper.ts'

const test = suite('zookeeper queue')
const log = createLog('test', 'silent')
/** Closed after each test, the latest first. */
const opened: { close(): Promise<void> }[] = []
let server: ZooKeeperServer
let over = new AbortController()
let queues = 0

async function open(servers = server.address): Promise<ZooKeeper> {
  const zk = await ZooKeeper.connect({ servers, sessionTimeoutMs: 2_000, log })
  opened.push(zk)
  return zk
}

async function freshQueue(zk: ZooKeeper): Promise<string> {
  const path = `/queues/q${queues++}`
  await zk.ensurePath(path)
  return path
}

async function itemsIn(zk: ZooKeeper, path: string): Promise<number[]> {
  const nodes = await each((await zk.children(path)) ?? [], 32, (name) => zk.get(`${path}/${name}`))
  return nodes.flatMap((node) => JSON.parse(String(node?.data)) as number[]).sort((a, b) => a - b)
}

function consumerOf(zk: ZooKeeper, path: string, maxEntries = 500): QueueConsumer<number> {
  return new QueueConsumer<number>(zk, path, { decode: (data) => JSON.parse(String(data)), log, maxEntries })
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

async function problemOf(promise: Promise<unknown>): Promise<ArmadaError> {
  const reason = await reasonOf(promise)
  if (!(reason instanceof ArmadaError)) throw new Error(`expected an ArmadaError, not ${reason}`)
  return reason
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

test('offers that come while a create is under way share the next node', async () => {
  const zk = await open()
  const path = await freshQueue(zk)
  const producer = new QueueProducer<number>(zk, path)
  await producer.offer([-1])
  const before = { ...zk.requests }
  await Promise.all(numbers(3_000).map((i) => producer.offer([i])))
  assert.is(zk.requests.create - before.create, 4, 'one for the first, three of 1,000')
  assert.is(zk.requests.exists, before.exists, 'no request for the depth')
  assert.equal(await itemsIn(zk, path), [-1, ...numbers(3_000)])
})

test('splits by items and by bytes, and refuses an item that no node can hold', async () => {
  const zk = await open()
  const path = await freshQueue(zk)
  const producer = new QueueProducer<number>(zk, path, { maxItems: 100 })
  await producer.offer(numbers(1_050))
  assert.is((await zk.children(path))?.length, 11)
  assert.equal(await itemsIn(zk, path), numbers(1_050))
  const texts = await freshQueue(zk)
  const wordy = new QueueProducer<string>(zk, texts, { maxBytes: 2_000 })
  const small = wordy.offer(Array.from({ length: 100 }, (_, i) => 'x'.repeat(i * 5)))
  const large = wordy.offer(['y'.repeat(2_001)])
  await small
  assert.is((await problemOf(large)).code, 'invalid_request')
  const stats = await Promise.all(
    ((await zk.children(texts)) ?? []).map((name) => zk.exists(`${texts}/${name}`)),
  )
  assert.ok(stats.every((stat) => (stat?.dataLength ?? 0) <= 2_000))
  assert.ok(stats.length < 30, `${stats.length} nodes for 13 times 2,000 bytes`)
})

test('past its bound a queue is full, nothing is written, and it takes offers again when emptied', async () => {
  const [zk, other] = [await open(), await open()]
  const path = await freshQueue(zk)
  const producers = [zk, other].map(
    (of) => new QueueProducer<number>(of, path, { maxNodes: 20, maxItems: 1 }),
  )
  const [one, two] = producers as [QueueProducer<number>, QueueProducer<number>]
  await one.offer(numbers(12))
  await two.offer(numbers(8))
  const full = await problemOf(two.offer([99]))
  assert.is(full.code, 'queue_full')
  assert.ok(full.retryAfterSeconds)
  // The other one has not seen that the queue filled up; its own next entry tells it.
  await one.offer([98])
  assert.is((await problemOf(one.offer([99]))).code, 'queue_full')
  assert.is((await zk.children(path))?.length, 21)
  const asked = zk.requests.exists
  for (let i = 0; i < 200; i++) assert.is((await problemOf(one.offer([99]))).code, 'queue_full')
  assert.ok(zk.requests.exists - asked <= 2, 'asks at most every 500 ms')
  assert.is(await one.depth(), 21)
  await consumerOf(zk, path).remove((await zk.children(path)) ?? [])
  await delay(600)
  await one.offer([1])
  assert.is(await two.depth(), 1)
})

test('idle traffic costs one request an offer', async () => {
  const zk = await open()
  const producer = new QueueProducer<number>(zk, await freshQueue(zk))
  await producer.offer([0])
  const before = { ...zk.requests }
  for (let i = 0; i < 5; i++) {
    await producer.offer([i])
    await delay(120)
  }
  assert.equal({ ...before, create: before.create + 5 }, { ...zk.requests })
})

test('exactly once through lost answers: 60 cuts at random moments, and a killed server', async () => {
  const direct = await open()
  const path = await freshQueue(direct)
  const proxy = await TcpProxy.start(server.port)
  opened.push(proxy)
  const zk = await open(proxy.address)
  let lost = 0
  let cuts = 0
  zk.onState((state) => {
    if (state === 'suspended') cuts++
  })
  const create = zk.create.bind(zk)
  zk.create = (...request) =>
    create(...request).catch((error) => {
      if (error.unknown) lost++
      throw error
    })
  const producer = new QueueProducer<number>(zk, path, { maxItems: 3, limitMs: 30_000 })
  const offers: Promise<void>[] = []
  let next = 0
  for (let round = 0; round < 60; round++) {
    await zk.connected()
    proxy.swallowing = round % 2 === 0
    for (let i = 0; i < 5; i++) offers.push(producer.offer([next++]))
    offers.push(
      enqueue(zk, path, 'one-', JSON.stringify([next++]), { limitMs: 30_000 }).then(() => undefined),
    )
    await delay(Math.random() * 8)
    if (round === 30) await server.kill()
    proxy.cut()
    proxy.swallowing = false
    if (round === 30) await server.restart()
    await until(() => cuts > round)
  }
  await Promise.all(offers)
  await direct.connected()
  assert.equal(await itemsIn(direct, path), numbers(next))
  assert.ok(lost >= 30, `${lost} answers were lost`)
})

test('says unavailable, and whether something may be written, when the server stays away', async () => {
  const zk = await open()
  const path = await freshQueue(zk)
  const producer = new QueueProducer<number>(zk, path, { limitMs: 500 })
  await producer.offer([0])
  server.pause()
  const began = performance.now()
  const first = problemOf(producer.offer([1]))
  await delay(100)
  const second = problemOf(producer.offer([2]))
  const [begun, waiting] = await Promise.all([first, second])
  server.resume()
  assert.ok(performance.now() - began < 900)
  assert.is(begun.code, 'unavailable')
  assert.match(begun.message, 'unknown')
  assert.is(waiting.code, 'unavailable')
  assert.match(waiting.message, 'nothing of it was written')
  await until(() => zk.state === 'connected')
  await producer.offer([3])
  const items = await itemsIn(zk, path)
  assert.ok(items.includes(3) && !items.includes(2))
})

test('one-off writers: no queue is made up, and the name comes back', async () => {
  const zk = await open()
  const path = await freshQueue(zk)
  const before = { ...zk.requests }
  const name = await enqueue(zk, path, 'j-', '[1]')
  assert.match(name, /^j-[0-9a-f]{20}-\d{10}$/)
  assert.equal({ ...zk.requests }, { ...before, create: before.create + 1 })
  assert.match(String(await reasonOf(enqueue(zk, '/queues/nobody', 'j-', ''))), 'no_node')
  assert.is(await zk.exists('/queues/nobody'), undefined)
})

test('hands over in order, once, and again after a new call; entries stay until removed', async () => {
  const [zk, other] = [await open(), await open()]
  const path = await freshQueue(zk)
  const producer = new QueueProducer<number>(other, path, { maxItems: 1 })
  await producer.offer(numbers(25))
  const consumer = consumerOf(zk, path, 10)
  const seen: Entry<number>[] = []
  const running = (async () => {
    for await (const entries of consumer.entries(over.signal)) seen.push(...entries)
  })()
  await until(() => seen.length === 25)
  assert.equal(
    seen.flatMap((entry) => entry.items),
    numbers(25),
  )
  assert.is((await zk.children(path))?.length, 25)
  await consumer.remove(seen.map((entry) => entry.name))
  await consumer.remove(seen.map((entry) => entry.name))
  await producer.offer([25])
  await until(() => seen.length === 26)
  await delay(100)
  assert.is(seen.length, 26)
  over.abort()
  await running
  over = new AbortController()
  for await (const entries of consumer.entries(over.signal)) {
    assert.equal(
      entries.map((entry) => entry.items),
      [[25]],
    )
    break
  }
})

test('hand-over goes on after a restart, a lost session and a wipe', async () => {
  const [zk, other] = [await open(), await open()]
  const path = await freshQueue(zk)
  const consumer = consumerOf(zk, path)
  const producer = new QueueProducer<number>(other, path)
  const seen: number[] = []
  const running = (async () => {
    for await (const entries of consumer.entries(over.signal)) {
      seen.push(...entries.flatMap((entry) => entry.items))
      await consumer.remove(entries.map((entry) => entry.name))
    }
  })()
  await producer.offer([1])
  await until(() => seen.length === 1)
  await server.kill()
  const offered = producer.offer([2])
  await server.restart()
  await offered
  await until(() => seen.length === 2)
  const session = zk.sessionId
  server.pause()
  await until(() => zk.state === 'lost')
  server.resume()
  await producer.offer([3])
  await until(() => seen.length === 3)
  assert.is.not(zk.sessionId, session)
  await server.wipe()
  await server.restart()
  await producer.offer([4])
  await until(() => seen.length === 4)
  assert.equal(seen, [1, 2, 3, 4])
  over.abort()
  await running
})

test('an entry that cannot be decoded is removed and does not block the others', async () => {
  const zk = await open()
  const path = await freshQueue(zk)
  await enqueue(zk, path, 'e-', '[1]')
  await enqueue(zk, path, 'e-', 'not json')
  await enqueue(zk, path, 'e-', '[2]')
  for await (const entries of consumerOf(zk, path).entries(over.signal)) {
    assert.equal(
      entries.map((entry) => entry.items),
      [[1], [2]],
    )
    break
  }
  assert.is((await zk.children(path))?.length, 2)
})

test('removing many costs few lists', async () => {
  const zk = await open()
  const path = await freshQueue(zk)
  const consumer = consumerOf(zk, path)
  let handed = 0
  // All there before the first look, so that only removals can cause lists.
  await new QueueProducer<number>(await open(), path, { maxItems: 1 }).offer(numbers(200))
  const running = (async () => {
    for await (const entries of consumer.entries(over.signal)) {
      handed += entries.length
      void consumer.remove(entries.map((entry) => entry.name))
    }
  })()
  await until(async () => handed === 200 && (await zk.exists(path))?.numChildren === 0)
  const lists = zk.requests.children
  assert.ok(lists < 10, `${lists} lists`)
  over.abort()
  await running
})

test('copes with 10,000 entries', async () => {
  const [zk, other] = [await open(), await open()]
  const path = await freshQueue(zk)
  await each(numbers(10_000), 128, (i) => enqueue(other, path, 'e-', JSON.stringify([i])))
  const consumer = consumerOf(zk, path)
  const began = performance.now()
  const seen = new Set<number>()
  for await (const entries of consumer.entries(over.signal)) {
    for (const entry of entries) for (const item of entry.items) seen.add(item)
    await consumer.remove(entries.map((entry) => entry.name))
    if (seen.size === 10_000) break
  }
  const tookMs = performance.now() - began
  assert.is((await zk.children(path))?.length, 0)
  assert.ok(tookMs < 15_000, `took ${tookMs.toFixed(0)} ms`)
})

test.run()
