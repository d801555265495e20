// Ids, headers and queries that mean harm: none gets past a path, and none makes the server stumble.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import { answerOf } from '../../../shared/api/client.ts'
import { adminToken, runnerToken } from '../../harness/apiServer.ts'
import { askOnce, RawHttp } from '../../harness/rawHttp.ts'
import { hardMs, head, isProblem, post, Target } from '../../harness/target.ts'

const test = suite('hostile words')

let target: Target
test.before(async () => {
  target = await Target.start()
})
test.after(() => target?.stop())

const hostileIds = [
  ...[
    '..',
    '.',
    '../x',
    '..%2fx',
    '%2e%2e',
    '%2e%2e%2f',
    '%2e%2e%2fhosts',
    '..%5c..',
    '%2fetc%2fpasswd',
    'a%2fb',
  ],
  ...[
    '%00',
    'a%00',
    '%0d%0aX-Injected:1',
    '%0a',
    '%',
    '%zz',
    '%ff',
    '%c0%ae%c0%ae',
    '%ed%a0%80',
    '%25%32%65',
  ],
  ...[
    'A',
    'Arena',
    'a_b',
    'a.b',
    '-a',
    'a-',
    '*',
    '~',
    'a%20b',
    'a%3fb',
    'a%23b',
    '__proto__',
    '$(id)',
    "a'--",
    'a;b',
  ],
  ...[
    'a'.repeat(64),
    'a'.repeat(4_096),
    '%C3%A4',
    '%EF%BD%81',
    '%F0%9F%9A%80',
    '\u00e4',
    '%E2%80%AE',
    '%D0%B0rena',
  ],
]

test('no hostile id gets past a path, on any route', async () => {
  const before = await target.everything()
  const document = (await (await fetch(`${target.api.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { 'x-roles'?: string[]; requestBody?: unknown }>>
  }
  const connection = { now: await RawHttp.open(target.api.port) }
  let count = 0
  for (const [pattern, operations] of Object.entries(document.paths)) {
    const names = [...pattern.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string)
    for (const [method, { 'x-roles': roles = [], requestBody }] of Object.entries(operations)) {
      const token = roles.includes('admin')
        ? adminToken
        : roles.includes('runner')
          ? runnerToken
          : target.credential
      for (const name of names) {
        for (const id of hostileIds) {
          const path = pattern.replaceAll(/\{(\w+)\}/g, (_, other) => (other === name ? id : 'arena'))
          const body = requestBody ? '{}' : ''
          const headers = {
            ...(requestBody ? { 'content-type': 'application/json' } : {}),
            'content-length': body.length,
            'if-match': '"1"',
          }
          await connection.now.send(Buffer.from(head(method.toUpperCase(), path, headers, token) + body))
          const answer = await connection.now.answer()
          const what = `${method} ${path.slice(0, 100)}`
          isProblem(answer, [400, 404, 405], what)
          if (answer?.headers.get('connection') === 'close') {
            connection.now.close()
            connection.now = await RawHttp.open(target.api.port)
          }
          assert.ok(!answer?.headers.has('x-injected'), what)
          count++
        }
      }
    }
  }
  connection.now.close()
  console.log(`\n  ${count} requests`)
  assert.ok(count > 500)
  assert.equal(await target.everything(), before)
})

test('no header and no query makes it stumble', async () => {
  const values = [
    '',
    'a'.repeat(8_000),
    '\u00e4\u00ff',
    '"',
    '%00',
    '*',
    '-1',
    '1e9',
    '__proto__',
    '{}',
    'null',
    ';,=',
    '\t',
  ]
  const names = [
    'x-request-id',
    'traceparent',
    'idempotency-key',
    'if-match',
    'accept-encoding',
    'accept',
    'range',
  ]
  const more = [
    'x-forwarded-for',
    'forwarded',
    'last-event-id',
    'authorization',
    'origin',
    'cookie',
    'content-type',
  ]
  for (const name of [...names, ...more]) {
    for (const value of values) {
      const what = `${name}: ${value.slice(0, 40)}`
      const get = await askOnce(
        target.api.port,
        Buffer.from(head('GET', '/v1/ships', { [name]: value }), 'latin1'),
      )
      assert.ok(get && get.status < 500, `${what}: ${get?.status} ${get?.text}`)
      assert.match(get.headers.get('x-request-id') ?? '', /^[\w-]{1,64}$/, what)
      const body = post('/v1/ships', '{"blueprint":"../x"}', { [name]: value })
      const made = await askOnce(target.api.port, body)
      assert.ok(made && made.status >= 400 && made.status < 500, `${what}: ${made?.status} ${made?.text}`)
    }
  }
  const texts = [
    '%00',
    '%ff',
    '%F0%9F%9A%80',
    'a'.repeat(3_000),
    '-1',
    '1e99',
    'NaN',
    '[]',
    '__proto__',
    '%0d%0a',
    '..%2f',
    '!!,((',
  ]
  for (const query of [
    'cursor',
    'labelSelector',
    'limit',
    'fleet',
    'host',
    'state',
    'consistent',
    'nonsense',
  ]) {
    for (const text of [...texts, `1&${query}=2`]) {
      const path = `/v1/ships?${query}=${text}`
      const answer = await askOnce(target.api.port, head('GET', path))
      assert.ok(answer && answer.status < 500, `${path}: ${answer?.status} ${answer?.text}`)
    }
  }
  const nested = `${'('.repeat(2_000)}a in (${'b,'.repeat(400)}`
  const answer = await askOnce(
    target.api.port,
    head('GET', `/v1/ships?labelSelector=${encodeURIComponent(nested)}`),
  )
  assert.ok(answer && answer.status === 400 && answer.ms < hardMs)
})

test('whoever is denied stands in the log, with the address that cannot be forged', async () => {
  const forged = { 'x-forwarded-for': '8.8.8.8', 'x-request-id': 'denied-1' }
  isProblem(
    await askOnce(target.api.port, head('GET', '/v1/ships', forged, 'forged-token-0123456789')),
    401,
    'forged',
  )
  for (let i = 0; i < 100 && !target.api.log.includes('denied-1'); i++) await delay(50)
  const line = target.api.log.split('\n').find((one) => one.includes('denied-1'))
  const { status, address } = JSON.parse(line ?? '{}')
  assert.deepEqual([status, address], [401, '127.0.0.1'])
})

test('afterwards it serves as before', async () => {
  const { v1 } = target.client
  const made = await answerOf(v1.ships.$post({ json: { blueprint: 'arena', count: 2 }, header: {} }))
  assert.equal(made.ships.length, 2)
  assert.deepEqual(target.unexpected(), [])
})

test.run()
