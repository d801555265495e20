// Mailboxes against a real server: what they cost, several writers, lost answers, bounds, poison.
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ArmadaError } from '../../../shared/errors.ts'
import { createLog } from '../../../shared/log.ts'
import { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { Mailboxes, type MailboxesOptions, mail } from '../../../shared/zookeeper/mailbox.ts'
import { TcpProxy } from '../../harness/tcpProxy.ts'
import { reasonOf, until } from '../../harness/until.ts'
import { ZooKeeperServer } from '../../harness/zookeeper.ts'

const test = suite('zookeeper mailbox')
const log = createLog('test', 'silent')
const opened: { close(): Promise<void> }[] = []
let server: ZooKeeperServer
let over = new AbortController()
let boxes = 0

const format = {
  encode: (items: readonly string[]) => Buffer.from(JSON.stringify(items)),
  decode: (data: Buffer) => (data.length > 0 ? (JSON.parse(data.toString()) as string[]) : []),
  keyOf: (item: string) => item,
  log,
}

async function open(servers = server.address): Promise<ZooKeeper> {
  const zk = await ZooKeeper.connect({ servers, sessionTimeoutMs: 2_000, requestTimeoutMs: 700, log })
  opened.push(zk)
  return zk
}

const writerOn = (zk: ZooKeeper, change: Partial<MailboxesOptions<string>> = {}) =>
  new Mailboxes<string>(zk, { ...format, pathOf: (id) => `/boxes/${id}`, keep: () => true, ...change })

async function freshBox(zk: ZooKeeper): Promise<string> {
  const id = `b${boxes++}`
  await zk.ensurePath(`/boxes/${id}`)
  return id
}

const itemsIn = async (zk: ZooKeeper, id: string) =>
  format.decode((await zk.get(`/boxes/${id}`))?.data ?? Buffer.alloc(0)).sort()

/** Collects what a reader is handed. */
function readBox(zk: ZooKeeper, id: string): string[][] {
  const handed: string[][] = []
  void (async () => {
    for await (const items of mail<string>(zk, `/boxes/${id}`, over.signal, format)) handed.push(items)
  })()
  return handed
}

const sent = ({ requests: { get, set } }: ZooKeeper) => [get, set]

test.before(async () => {
  server = await ZooKeeperServer.start(200)
})
test.after.each(async () => {
  over.abort()
  over = new AbortController()
  for (const thing of opened.splice(0).reverse()) await thing.close()
})
test.after(() => server.stop())

test('a post is one set, and one get of the reader, which gets each item once', async () => {
  const [writing, reading] = [await open(), await open()]
  const id = await freshBox(writing)
  const writer = writerOn(writing)
  const handed = readBox(reading, id)
  await until(() => sent(reading)[0] === 1)
  await writer.post(id, ['a', 'b'])
  await until(() => handed.length === 1)
  const before = [sent(writing), sent(reading)]
  await writer.post(id, ['c'])
  await until(() => handed.length === 2)
  assert.equal(handed, [['a', 'b'], ['c']])
  assert.equal(
    [sent(writing), sent(reading)],
    [
      [before[0]?.[0], (before[0]?.[1] ?? 0) + 1],
      [(before[1]?.[0] ?? 0) + 1, before[1]?.[1]],
    ],
  )
})

test('posts during a write go together with the next; several writers lose nothing', async () => {
  const zks = await Promise.all([open(), open(), open()])
  const id = await freshBox(zks[0] as ZooKeeper)
  const handed = readBox(await open(), id)
  const writers = zks.map((zk) => writerOn(zk))
  const items = Array.from({ length: 90 }, (_, i) => `item-${i}`).sort()
  await Promise.all(items.map((item, i) => (writers[i % 3] as Mailboxes<string>).post(id, [item])))
  assert.equal(await itemsIn(zks[0] as ZooKeeper, id), items)
  await until(() => handed.flat().length === 90)
  const sets = zks.reduce((sum, zk) => sum + zk.requests.set, 0)
  assert.ok(sets < 30, `${sets} sets for 90 posts`)
})

test('what is of no further use goes with the next post; an item of the same key is replaced', async () => {
  const zk = await open()
  const id = await freshBox(zk)
  const done = new Set<string>()
  const byNumber = { keyOf: (item: string) => item.split(' ')[0] as string }
  const writer = writerOn(zk, { ...byNumber, keep: (item) => !done.has(item) })
  await writer.post(id, ['1 old', '2'])
  done.add('2')
  await writer.post(id, ['1 new', '3'])
  assert.equal(await itemsIn(zk, id), ['1 new', '3'])
  const other = writerOn(zk)
  assert.equal([...((await other.read(id)) ?? [])].sort(), ['1 new', '3'])
  assert.is(await other.read('nobody'), undefined)
})

test('an answer that is lost: the items are there once, and nothing of another writer is written over', async () => {
  const proxy = await TcpProxy.start(server.port)
  opened.push(proxy)
  const [cut, other] = [await open(proxy.address), await open()]
  const id = await freshBox(other)
  const writer = writerOn(cut)
  await writer.post(id, ['first'])
  proxy.swallowing = true
  const posted = writer.post(id, ['second'])
  await until(async () => (await itemsIn(other, id)).includes('second'))
  await writerOn(other).post(id, ['third'])
  proxy.swallowing = false
  proxy.cut()
  await posted
  await writer.post(id, ['fourth'])
  assert.equal(await itemsIn(other, id), ['first', 'fourth', 'second', 'third'])
})

test('refused: past the bound, for a mailbox that is not there, and when ZooKeeper does not answer in time', async () => {
  const zk = await open()
  const id = await freshBox(zk)
  const writer = writerOn(zk, { maxBytes: 100, limitMs: 1_500 })
  await writer.post(id, ['x'.repeat(40)])
  const full = await reasonOf(writer.post(id, ['y'.repeat(80)]))
  assert.ok(full instanceof ArmadaError && full.code === 'queue_full', String(full))
  await writer.post(id, ['small'])
  assert.is((await itemsIn(zk, id)).length, 2)
  assert.match(String(await reasonOf(writer.post('nobody', ['x']))), 'no_node')
  server.pause()
  await delay(200)
  const late = await reasonOf(writer.post(id, ['late'])).finally(() => server.resume())
  assert.ok(late instanceof ArmadaError && late.code === 'unavailable', String(late))
})

test('a full mailbox makes room by what may be spared, and by nothing else', async () => {
  const zk = await open()
  const id = await freshBox(zk)
  const writer = writerOn(zk, { maxBytes: 100, spare: (item) => item.startsWith('old') })
  await writer.post(id, [`old${'x'.repeat(30)}`, `new${'x'.repeat(30)}`])
  await writer.post(id, ['small'])
  assert.is((await itemsIn(zk, id)).length, 3)
  await writer.post(id, ['y'.repeat(30)])
  assert.equal(await itemsIn(zk, id), [`new${'x'.repeat(30)}`, 'small', 'y'.repeat(30)])
  assert.match(String(await reasonOf(writer.post(id, ['z'.repeat(60)]))), 'would take')
})

test('a reader that begins anew gets all that is there; poison is passed over and written over', async () => {
  const zk = await open()
  const id = await freshBox(zk)
  const writer = writerOn(zk)
  await writer.post(id, ['a'])
  const first = readBox(await open(), id)
  await until(() => first.length === 1)
  await zk.set(`/boxes/${id}`, 'no JSON')
  await delay(100)
  await writer.post(id, ['b'])
  await until(() => first.length === 2)
  assert.equal(first, [['a'], ['b']])
  const second = readBox(await open(), id)
  await until(() => second.length === 1)
  assert.equal(second, [['b']])
})

test('a reader goes on with a new session', async () => {
  const proxy = await TcpProxy.start(server.port)
  opened.push(proxy)
  const [reading, writing] = [await open(proxy.address), await open()]
  const id = await freshBox(writing)
  const handed = readBox(reading, id)
  const writer = writerOn(writing)
  await writer.post(id, ['a'])
  await until(() => handed.length === 1)
  proxy.refusing = true
  proxy.cut()
  await writer.post(id, ['b'])
  await until(() => reading.state === 'lost', 20_000)
  proxy.refusing = false
  await until(() => handed.length === 2, 20_000)
  assert.equal(handed, [['a'], ['b']])
})

test.run()
