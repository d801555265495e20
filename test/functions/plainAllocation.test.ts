// Allocations without the way through Hono: the same answers, lines and entries, and no ship given twice between both.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { suite } from 'uvu'
import { answerOf } from '../../shared/api/client.ts'
import type { AllocationView } from '../../shared/model/allocation.ts'
import { adminToken, metricsToken } from '../harness/apiServer.ts'
import type { RawAnswer } from '../harness/rawHttp.ts'
import { shipsInEtcd, writeReadyShips } from '../harness/readyShips.ts'
import { ask, left, request, same, startTwoWays, type TwoWays } from '../harness/twoWays.ts'
import { until } from '../harness/until.ts'

const test = suite('plain allocation')
const path = '/v1/allocations'
const type = 'Content-Type: application/json'
const lobby = JSON.stringify({ selectors: [{ fleet: 'lobby' }], annotations: { map: 'Düell' } })
const tokens: Record<string, string> = {}
let ways: TwoWays

test.before(async () => {
  ways = await startTwoWays()
  const { api, stack } = ways
  for (const [name, limits] of Object.entries({
    maker: { role: 'allocator' as const },
    lobby: { role: 'allocator' as const, fleets: ['lob*'] },
    other: { role: 'allocator' as const, fleets: ['arena'] },
    slow: { role: 'allocator' as const, rate: { perSecond: 0.1, burst: 1 } },
    viewer: { role: 'viewer' as const },
  })) {
    tokens[name] = (await answerOf(api.admin.v1.tokens.$post({ json: { name, ...limits } }))).secret
  }
  await writeReadyShips({ etcd: stack.etcd.address, count: 60, fleet: 'lobby', hosts: 3 })
  await until(async () => (await answerOf(api.admin.v1.cluster.$get())).ships.Ready === 60, 10_000)
})

test.after(() => ways?.close())

function post(body: string, token: string | undefined, more: readonly string[] = [type]): string {
  return request('POST', path, token, [...more, `Content-Length: ${Buffer.byteLength(body)}`], body)
}

const changing = new Set(['id', 'ship', 'at', 'ports', 'host', 'requestId', 'leaseUntil'])

/** Apart from what is another with every allocation. */
function alike(answer: RawAnswer) {
  const { status, headers, text } = same(answer)
  const { 'x-armada-revision': revision, ...others } = headers as Record<string, string>
  assert.match(String(revision), /^\d+$/)
  const body = JSON.parse(text, (key, value) => (changing.has(key) && value !== null ? key : value))
  return { status, headers: others, body }
}

/** The server as it is shipped, with both ways. */
const apiServer = () => ({ port: Number(new URL(ways.api.url).port) })

const given = ({ text }: RawAnswer) => (JSON.parse(text) as { allocations: AllocationView[] }).allocations

test('what is plain is answered in the words of Hono, and leaves the same line', async () => {
  const { plain, hono, lines } = ways
  for (const [name, bytes] of Object.entries({
    admin: post(lobby, adminToken),
    allocator: post(lobby, tokens.maker),
    limited: post(lobby, tokens.lobby),
    'any ship': post('{}', tokens.lobby),
    several: post('{"count":2,"leaseSeconds":30}', tokens.maker),
    'another type': post(lobby, tokens.maker, ['Content-Type: application/json; charset=utf-8']),
    'a trace': post(lobby, tokens.maker, [
      type,
      'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    ]),
    'none there': post('{"selectors":[{"fleet":"empty"}]}', tokens.maker),
    'none to be seen': post(lobby, tokens.other),
  })) {
    lines.length = 0
    const [here, there] = [await ask(plain, bytes), await ask(hono, bytes)]
    assert.notEqual(here.status, left, name)
    assert.deepEqual(alike(here), alike(there), name)
    assert.equal(here.status, name.startsWith('none') ? 429 : 201, name)
    const requests = lines.filter((line) => line.route === path)
    const [ofPlain, ofHono] = requests.map(({ ms, requestId, ...line }) => line)
    assert.deepEqual(ofPlain, ofHono, name)
    assert.equal(requests.length, 2, name)
  }
})

test('whatever else there is goes the long way, and nothing is done before', async () => {
  const { plain, hono, stack } = ways
  const taken = async () =>
    (await shipsInEtcd(stack.etcd.address)).filter(({ allocations }) => allocations?.length).length
  const before = await taken()
  const long = JSON.stringify({ labels: {}, annotations: { note: 'x'.repeat(20_000) } })
  const longWay: Record<string, [string, number]> = {
    nobody: [post(lobby, undefined), 401],
    'a wrong token': [post(lobby, 'wrong'), 401],
    'a token twice': [post(lobby, tokens.maker, [type, 'authorization: Bearer other']), 401],
    'a role that may not': [post(lobby, tokens.viewer), 403],
    'a scraper': [post(lobby, metricsToken), 403],
    'a type twice': [post(lobby, tokens.maker, [type, type]), 415],
    'no type': [post(lobby, tokens.maker, []), 415],
    encoded: [post(lobby, tokens.maker, [type, 'Content-Encoding: gzip']), 415],
    'not JSON': [post('{"selectors":', tokens.maker), 400],
    'a key twice': [post('{"count":1,"count":2}', tokens.maker), 400],
    chunked: [request('POST', path, tokens.maker, [type, 'Transfer-Encoding: chunked'], '0\r\n\r\n'), 400],
    'an unknown field': [post('{"fleet":"lobby"}', tokens.maker), 400],
    'too much': [post(long, tokens.maker), 400],
    'no body': [post('', tokens.maker), 400],
    'a bad key': [post(lobby, tokens.maker, [type, 'Idempotency-Key: a b']), 400],
    'a bad revision': [post(lobby, tokens.maker, [type, 'X-Armada-Min-Revision: x']), 400],
    'another method': [request('PUT', path, tokens.maker, [type, 'Content-Length: 2'], '{}'), 405],
  }
  for (const [name, [bytes, status]] of Object.entries(longWay)) {
    const here = await ask(plain, bytes)
    const there = await ask(hono, bytes)
    assert.deepEqual([here.status, there.status], [left, status], name)
  }
  assert.equal(await taken(), before)
})

test('what was read before it goes the long way is still there', async () => {
  const both = async (bytes: string) => alike(await ask(apiServer(), bytes))
  for (const body of ['{"count":', '{"count":1,"count":2}', '{"count":0}', '{"fleet":"Düell"}']) {
    const hono = alike(await ask(ways.hono, post(body, tokens.maker)))
    assert.equal(hono.status, 400, body)
    assert.deepEqual(await both(post(body, tokens.maker)), hono, body)
  }
})

test('a body that comes behind its headers goes the long way, and is answered', async () => {
  const [head, body] = post(lobby, tokens.maker).split(/(?<=\r\n\r\n)/) as [string, string]
  const socket = connect({ ...apiServer(), host: '127.0.0.1', noDelay: true })
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  socket.write(head)
  await new Promise((resolve) => setTimeout(resolve, 50))
  socket.write(body)
  await until(() => text.includes('\r\n\r\n{'), 5_000)
  socket.destroy()
  assert.match(text, /^HTTP\/1.1 201 /)
})

test('a key has one effect, whichever way it comes', async () => {
  const { plain, hono } = ways
  const bytes = post(lobby, tokens.maker, [type, 'Idempotency-Key: one-of-both'])
  const first = await ask(plain, bytes)
  assert.deepEqual([first.status, first.headers.get('idempotency-replayed')], [201, undefined])
  for (const way of [plain, hono]) {
    const again = await ask(way, bytes)
    assert.equal(again.headers.get('idempotency-replayed'), 'true')
    assert.deepEqual(given(again), given(first))
  }
  const other = post('{}', tokens.maker, [type, 'Idempotency-Key: one-of-both'])
  assert.deepEqual(alike(await ask(plain, other)), alike(await ask(hono, other)))
  assert.equal((await ask(plain, other)).status, 422)
})

test('a rate counts both ways together, and once', async () => {
  const { plain, hono } = ways
  const bytes = post(lobby, tokens.slow)
  assert.equal((await ask(plain, bytes)).status, 201)
  assert.equal((await ask(plain, bytes)).status, left)
  assert.equal((await ask(hono, bytes)).status, 429)
})

test('several on one connection are answered in their order', async () => {
  const { plain } = ways
  const bytes = ['first', 'second', 'third'].map((id) =>
    post('{}', tokens.maker, [type, `X-Request-Id: ${id}`]),
  )
  const socket = connect({ port: plain.port, host: '127.0.0.1', noDelay: true })
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  socket.write(bytes.join(''))
  const ids = () => [...text.matchAll(/x-request-id: (\w+)/gi)].map(([, id]) => id)
  await until(() => ids().length === 3, 5_000)
  socket.destroy()
  assert.deepEqual(ids(), ['first', 'second', 'third'])
})

test('a token that was revoked takes nothing', async () => {
  const { api, plain, hono } = ways
  await answerOf(api.admin.v1.tokens[':token'].$delete({ param: { token: 'maker' } }))
  assert.equal((await ask(plain, post(lobby, tokens.maker))).status, left)
  assert.equal((await ask(hono, post(lobby, tokens.maker))).status, 401)
})

test('no ship was given twice', async () => {
  const all = (await shipsInEtcd(ways.stack.etcd.address)).map(({ allocations }) => allocations?.length ?? 0)
  assert.equal(Math.max(...all), 1)
})

test.run()
