// What could slip in between: tokens taken back while their requests are under way, answers that nobody reads, and
// questions that cost more than they may.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import { HttpServer } from '../../functions/httpServer.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { adminToken, metricsToken } from '../harness/apiServer.ts'
import { askOnce, RawHttp } from '../harness/rawHttp.ts'
import {
  boardShips,
  describeHost,
  joinHost,
  publish,
  refused,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('gates')
let two: TwoServers
let port: number

test.before(async () => {
  two = await startTwoServers({ balanced: false })
  port = Number(new URL(two.a.url).port)
  await publish(two.a, 'arena')
})
test.after(() => two?.stop())

function head(method: string, path: string, token: string, headers: Record<string, string | number> = {}) {
  const lines = Object.entries({ host: 'x', authorization: `Bearer ${token}`, ...headers })
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

const makeToken = async (name: string, role: 'viewer' | 'operator') =>
  (await answerOf(two.a.admin.v1.tokens.$post({ json: { name, role } }))).secret

const revoke = (name: string) => answerOf(two.a.admin.v1.tokens[':token'].$delete({ param: { token: name } }))

test('HEAD holds no stream: neither of events, nor of logs, nor of an agent', async () => {
  const { client, credential } = await joinHost(two.a, 'quiet')
  const [ship] = await boardShips(two.a, client, 1)
  const paths = ['/v1/events?watch=true', '/v1/fleets?watch=true', `/v1/ships/${ship}/logs?follow=true`]
  for (let i = 0; i < 20; i++) {
    for (const path of paths) assert.equal((await askOnce(port, head('HEAD', path, adminToken)))?.status, 200)
    const asked = await askOnce(port, head('HEAD', '/v1/monitor/stream', credential))
    assert.equal(asked?.status, 200)
  }
  await until(() => two.a.desk.size === 0)
  const reader = await RawHttp.open(port)
  await reader.send(head('GET', `/v1/ships/${ship}/logs?follow=true`, adminToken))
  assert.equal((await reader.answer(10_000, false))?.status, 200)
  reader.close()
})

test('a token that is revoked while its stream waits to begin gets none', async () => {
  const token = await makeToken('watcher', 'viewer')
  const reader = await RawHttp.open(port)
  // A position that nobody has reached: the answer waits a while for it.
  await reader.send(head('GET', '/v1/events?watch=true', token, { 'last-event-id': '99999999999' }))
  await delay(300)
  await revoke('watcher')
  assert.equal((await reader.answer(10_000))?.status, 401)
  assert.equal(two.a.desk.size, 0)
  reader.close()
})

test('a token, or a host, that goes while its body comes changes nothing any more', async () => {
  const token = await makeToken('slow', 'operator')
  const { credential } = await joinHost(two.a, 'leaving')
  const before = two.a.stores.ships.table.size
  const parts: [string, string, string][] = [
    ['/v1/ships', token, JSON.stringify({ blueprint: 'arena' })],
    ['/v1/monitor/hello', credential, JSON.stringify({ host: describeHost('leaving'), ships: [] })],
  ]
  const under: RawHttp[] = []
  for (const [path, secret, body] of parts) {
    const headers = { 'content-type': 'application/json', 'content-length': body.length }
    const connection = await RawHttp.open(port)
    await connection.send(head('POST', path, secret, headers) + body.slice(0, 5))
    under.push(connection)
  }
  await delay(300)
  await revoke('slow')
  await answerOf(two.a.admin.v1.hosts[':host'].$delete({ param: { host: 'leaving' }, query: {} }))
  for (const [i, connection] of under.entries()) {
    await connection.send(parts[i]?.[2].slice(5) ?? '')
    assert.equal((await connection.answer())?.status, 401, parts[i]?.[0])
    connection.close()
  }
  assert.equal(two.a.stores.ships.table.size, before)
})

test('of what is refused no Idempotency-Key is kept, and it may be used again', async () => {
  const token = await makeToken('reader', 'viewer')
  const kept = async () => (await two.a.stores.kv.list('/armada/answers/')).items.length
  const before = await kept()
  const post = (path: string, key: string, secret: string, body: string) =>
    askOnce(
      port,
      head('POST', path, secret, {
        'content-type': 'application/json',
        'idempotency-key': key,
        'content-length': body.length,
      }) + body,
    )
  const body = JSON.stringify({ blueprint: 'arena' })
  for (let i = 0; i < 10; i++) {
    assert.equal((await post('/v1/ships', `key-${i}`, token, body))?.status, 403)
    assert.equal((await post('/v1/nothing', `other-${i}`, token, body))?.status, 404)
    assert.equal((await post('/v1/ships', `key-${i}`, adminToken, '{}'))?.status, 400)
  }
  assert.equal(await kept(), before)
  assert.equal((await post('/v1/ships', 'key-0', adminToken, body))?.status, 201)
  assert.equal(await kept(), before + 1)
})

test('a body that is said to be compressed is not read as if it were not', async () => {
  const headers = { 'content-type': 'application/json', 'content-length': 2 }
  for (const [encoding, status] of [
    ['gzip', 415],
    ['br, identity', 415],
    ['identity', 400],
  ] as const) {
    const asked = head('POST', '/v1/ships', adminToken, { ...headers, 'content-encoding': encoding })
    assert.equal((await askOnce(port, `${asked}{}`))?.status, status, encoding)
  }
})

test('no number of headers hides how long a body is', async () => {
  for (const hidden of ['transfer-encoding: chunked', 'content-length: 100000000']) {
    const asked = `POST /v1/monitor/join HTTP/1.1\r\nhost: x\r\n${'a:1\r\n'.repeat(2_100)}${hidden}\r\n\r\n`
    const connection = await RawHttp.open(port)
    const answer = connection.answer(20_000)
    await connection.send(`${asked}${hidden.endsWith('chunked') ? '10000\r\n' : ''}${' '.repeat(65_536)}`)
    assert.equal((await answer)?.status, 413, hidden)
    connection.close()
  }
})

test('who does not read what it asked for is let go; who waits in silence is not', async () => {
  const server = await HttpServer.start({
    fetch: ({ url }: Request) =>
      new URL(url).pathname === '/large'
        ? new Response('x'.repeat(20 * 1024 * 1024))
        : new Response(new ReadableStream({ start: (body) => body.enqueue(new TextEncoder().encode('x')) })),
    host: '127.0.0.1',
    port: 0,
    // Long enough for all three to be seen beside each other on a busy machine.
    stallMs: 1_500,
    keepAliveMs: 2_000,
    log: createLog('test', 'silent'),
  })
  const open = (path: string) => {
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => undefined).write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
    return socket
  }
  const [stalled, silent] = [open('/large'), open('/silent')]
  stalled.pause()
  silent.resume()
  const idle = open('/large').resume()
  try {
    const count = () => server.connections()
    await until(async () => (await count()) === 3)
    await until(async () => (await count()) === 1)
    await delay(2_500)
    assert.equal(await count(), 1)
    assert.ok(!silent.closed)
  } finally {
    for (const socket of [stalled, silent, idle]) socket.destroy()
    await server.stop({ delayMs: 0, limitMs: 0, onClosed: () => undefined })
  }
})

test('who may only read cannot fill the audit log', async () => {
  const token = await makeToken('noisy', 'viewer')
  const headers = { authorization: `Bearer ${token}` }
  for (let i = 0; i < 300; i++) {
    const path = i % 2 ? `/v1/nothing/${i}` : '/v1/ships/%00'
    await (await fetch(two.a.url + path, { method: i % 3 ? 'DELETE' : 'POST', headers })).text()
  }
  const { entries } = await answerOf(two.a.admin.v1.audit.$get({ query: { caller: 'noisy', limit: '1000' } }))
  assert.ok(entries.length > 0 && entries.length < 20, `${entries.length} entries`)
})

/** Calls of etcd that the server has made by now. */
async function etcdCalls(): Promise<number> {
  const response = await fetch(`${two.a.url}/metrics`, {
    headers: { authorization: `Bearer ${metricsToken}` },
  })
  const lines = (await response.text()).split('\n')
  const counts = lines.filter((line) => /^armada_store_call_seconds_count\{.*etcd/.test(line))
  assert.ok(counts.length > 0)
  return counts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

test('thousands of ships that nobody knows cost a host one question to etcd, and get their answer', async () => {
  const { client } = await joinHost(two.a, 'stranger')
  const [ship = ''] = await boardShips(two.a, client, 1)
  const unknown = Array.from({ length: 5_000 }, (_, i) => ({ ship: `unknown-${i}`, attempt: 1 }))
  const before = await etcdCalls()
  const hello = { host: describeHost('stranger'), ships: [...unknown.slice(1), { ship, attempt: 1 }] }
  const { wanted, strays } = await answerOf(client.v1.monitor.hello.$post({ json: hello }))
  assert.deepEqual([wanted.map((grant) => grant.ship), strays.length], [[ship], 4_999])
  const some = unknown.slice(0, 900)
  const claims = [...some, { ship, attempt: 1 }].map((of) => ({ ...of, ports: {} }))
  const { granted, refused: no } = await answerOf(client.v1.monitor.claims.$post({ json: { claims } }))
  assert.deepEqual([granted.length, no.length, no[0]?.reason], [1, 900, 'there is no such ship'])
  const changes = some.map((of) => ({ ...of, state: 'Ready' as const }))
  const json = { changes, holdings: null, host: null, ships: [] }
  assert.equal((await answerOf(client.v1.monitor.reports.$post({ json }))).stale.length, 900)
  const asked = (await etcdCalls()) - before
  assert.ok(asked < 300, `${asked} calls of etcd`)
})

test('however many ask whether it is ready, the stores are asked a few times a second', async () => {
  const before = await etcdCalls()
  const answers = await Promise.all(
    Array.from({ length: 200 }, async () => {
      const answer = await fetch(`${two.a.url}/readyz`)
      await answer.text()
      return answer
    }),
  )
  assert.ok(answers.every(({ status }) => status === 200))
  const asked = (await etcdCalls()) - before
  assert.ok(asked < 100, `${asked} calls of etcd`)
})

test('a host holds a few streams, the newest, and none once it was removed', async () => {
  const { credential } = await joinHost(two.a, 'greedy')
  const headers = { authorization: `Bearer ${credential}` }
  const open = new Set<Response>()
  for (let i = 0; i < 12; i++) {
    const stream = await fetch(`${two.a.url}/v1/monitor/stream`, { headers })
    assert.equal(stream.status, 200)
    open.add(stream)
    const end = () => open.delete(stream)
    void stream.text().then(end, end)
  }
  await until(() => open.size === 4)
  await answerOf(two.b.admin.v1.hosts[':host'].$delete({ param: { host: 'greedy' }, query: {} }))
  await until(() => open.size === 0)
  await refused(answerOf(two.a.as(credential).v1.monitor.credential.$post({ header: {} })), 'unauthenticated')
})

test.run()
