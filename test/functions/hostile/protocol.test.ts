// What strangers send as HTTP, and what they call methods, hosts and paths: each gets a clear 4xx.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf } from '../../../shared/api/client.ts'
import { askOnce, RawHttp } from '../../harness/rawHttp.ts'
import { head, isProblem, Target } from '../../harness/target.ts'

const test = suite('hostile protocol')

let target: Target
test.before(async () => {
  target = await Target.start()
})
test.after(() => target?.stop())

test('what is no HTTP, or two requests in one: 400 or 431, and the connection ends', async () => {
  const json = { 'content-type': 'application/json' }
  const cases: [string, string, number][] = [
    ['garbage', 'hello\r\n\r\n', 400],
    ['TLS to a plain port', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    [
      'length and chunks',
      `${head('POST', '/v1/ships', { ...json, 'content-length': 5, 'transfer-encoding': 'chunked' })}0\r\n\r\n`,
      400,
    ],
    ['two lengths', head('POST', '/v1/ships', { ...json, 'content-length': 5, 'Content-Length': 6 }), 400],
    ['a negative length', head('POST', '/v1/ships', { ...json, 'content-length': -1 }), 400],
    ['a bad chunk', `${head('POST', '/v1/ships', { ...json, 'transfer-encoding': 'chunked' })}zz\r\n`, 400],
    ['a broken line', 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: a\rb\r\n\r\n', 400],
    ['NUL in a header', 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: a\0b\r\n\r\n', 400],
    ['20 kB of headers', head('GET', '/healthz', { 'x-long': 'a'.repeat(20_000) }), 431],
    ['a path of 20 kB', head('GET', `/v1/ships/${'a'.repeat(20_000)}`), 431],
    ['CONNECT', 'CONNECT armada:443 HTTP/1.1\r\nHost: armada:443\r\n\r\n', 405],
  ]
  for (const [name, bytes, status] of cases) isProblem(await askOnce(target.api.port, bytes), status, name)
})

test('hosts and addresses that cannot be read: 400; those that can are answered', async () => {
  const get = (target: string, host: string) => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  const wrong = [
    get('/healthz', 'a b'),
    get('/healthz', 'a/../b'),
    get('*', 'a'),
    get('/a\\b', 'a'),
    get('healthz', 'a'),
  ]
  for (const bytes of wrong) isProblem(await askOnce(target.api.port, bytes), [400, 404], bytes)
  const right = [
    get('/healthz', 'a:65535'),
    get('http://other.example/healthz', 'a'),
    get('/healthz', '[::1]:7700'),
  ]
  for (const bytes of right) assert.equal((await askOnce(target.api.port, bytes))?.status, 200, bytes)
  assert.equal((await askOnce(target.api.port, 'GET /healthz HTTP/1.0\r\n\r\n'))?.status, 200)
  assert.equal((await askOnce(target.api.port, 'GET /healthz HTTP/1.1\r\n\r\n'))?.status, 400)
  isProblem(
    await askOnce(target.api.port, head('GET', `/v1/ships/${'a'.repeat(8_000)}`)),
    400,
    'a path of 8 kB',
  )
  for (const path of [
    '/v1/fleets/../ships',
    '/v1/%2E%2e/v1/ships',
    '/v1/./ships',
    '/x/../healthz?a',
    '/v1/ships/..',
  ])
    assert.match(isProblem(await askOnce(target.api.port, head('GET', path)), 400, path), /"\.\."/)
  assert.equal((await askOnce(target.api.port, get('/healthz?path=/../x', 'a')))?.status, 200)
})

test('many requests at once on one connection are answered in order', async () => {
  const connection = await RawHttp.open(target.api.port)
  const ids = Array.from({ length: 200 }, (_, i) => `order-${i}`)
  await connection.send(ids.map((id) => head('GET', '/healthz', { 'x-request-id': id })).join(''))
  for (const id of ids) assert.equal((await connection.answer())?.headers.get('x-request-id'), id)
  connection.close()
})

test('methods that a path does not answer: 405 with Allow; paths that are none: 404', async () => {
  for (const method of ['OPTIONS', 'TRACE', 'DELETE', 'PUT', 'PROPFIND', 'SEARCH']) {
    const answer = await askOnce(target.api.port, head(method, '/v1/ships', { 'content-length': 0 }))
    isProblem(answer, 405, method)
    assert.equal(answer?.headers.get('allow'), 'GET, HEAD, POST', method)
  }
  isProblem(await askOnce(target.api.port, 'BREW /v1/ships HTTP/1.1\r\nHost: a\r\n\r\n'), 400, 'BREW')
  isProblem(await askOnce(target.api.port, head('POST', '/healthz', { 'content-length': 0 })), 405, 'health')
  for (const path of [
    '/',
    '/v1',
    '/v1/',
    '/v1/ships/',
    '/V1/ships',
    '/v1//ships',
    '/v1/ships/a/b/c',
    '/.git/config',
  ])
    isProblem(await askOnce(target.api.port, head('GET', path)), 404, path)
  const connection = await RawHttp.open(target.api.port)
  await connection.send(head('HEAD', '/v1/ships'))
  const answer = await connection.answer(10_000, false)
  assert.deepEqual([answer?.status, answer?.text], [200, ''])
  connection.close()
})

test('afterwards it serves as before', async () => {
  const { v1 } = target.client
  const made = await answerOf(v1.ships.$post({ json: { blueprint: 'arena', count: 2 }, header: {} }))
  assert.equal(made.ships.length, 2)
  assert.deepEqual(target.unexpected(), [])
})

test.run()
