// Whatever strangers send: a clear 4xx soon, nothing changed, memory bounded, and everybody else served meanwhile.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf, connect } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { ApiProcess } from '../harness/apiProcess.ts'
import { adminToken, runnerToken } from '../harness/apiServer.ts'
import { askOnce, type RawAnswer, RawHttp } from '../harness/rawHttp.ts'
import { describeHost } from '../harness/twoServers.ts'

const test = suite('hostile')
const requestMs = 2_000
const mebibyte = 1024 * 1024
/** The promise is 100 ms; a machine that runs other tests beside may take longer for a single one. */
const promiseMs = 100
const hardMs = 2_000

let scratch: Scratch
let stack: Stack
let api: ApiProcess
let credential: string
const client = () => connect({ url: api.url, token: adminToken })

test.before(async () => {
  scratch = await scratchDir()
  stack = await startStack({ dir: scratch.dir, profile: 'fast', log: createLog('test', 'silent') })
  api = await ApiProcess.start(stack, { requestMs })
  const { v1 } = client()
  const spec = { image: 'game:1' }
  await answerOf(v1.blueprints[':blueprint'].$put({ param: { blueprint: 'arena' }, json: spec }))
  await answerOf(v1.fleets.$post({ json: { name: 'arena', blueprint: 'arena', replicas: 0 } }))
  const { token } = await answerOf(v1.hosts['join-tokens'].$post({ json: { host: 'first' } }))
  const joined = connect({ url: api.url }).v1.monitor.join.$post({
    json: { token, host: describeHost('first') },
  })
  credential = (await answerOf(joined)).credential
})

test.after(async () => {
  await api.kill()
  await stack.stop()
  await scratch.remove()
})

function head(
  method: string,
  path: string,
  more: Record<string, string | number> = {},
  token = adminToken,
): string {
  const headers = { host: 'armada', authorization: `Bearer ${token}`, ...more }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

function post(
  path: string,
  body: string | Buffer,
  more: Record<string, string> = {},
  token?: string,
): Buffer {
  const bytes = Buffer.from(body)
  const headers = { 'content-type': 'application/json', 'content-length': bytes.length, ...more }
  return Buffer.concat([Buffer.from(head('POST', path, headers, token)), bytes])
}

/** Asserts that the answer is a problem document with this status. */
function isProblem(answer: RawAnswer | undefined, status: number | readonly number[], what: string): string {
  assert.ok(answer, `${what}: no answer`)
  const expected = [status].flat()
  assert.ok(expected.includes(answer.status), `${what}: ${answer.status} ${answer.text}`)
  assert.equal(answer.headers.get('content-type'), 'application/problem+json', what)
  const problem = JSON.parse(answer.text) as {
    status: number
    code: string
    detail: string
    requestId: string
  }
  assert.equal(problem.status, answer.status, what)
  assert.ok(problem.detail && problem.requestId, what)
  return `${problem.code}: ${problem.detail}`
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

/** Everything that requests can change. */
async function everything(): Promise<string> {
  const { v1 } = client()
  const pages = [
    answerOf(v1.ships.$get({ query: {} })),
    answerOf(v1.fleets.$get({ query: {} })),
    answerOf(v1.hosts.$get({ query: {} })),
    answerOf(v1.blueprints.$get({ query: {} })),
  ]
  return JSON.stringify(await Promise.all(pages), (key, value) =>
    /lastReportAt|silent|sample/i.test(key) ? undefined : value,
  )
}

/** Asks for the health of the server all the while. @returns how long it took to answer, each time. */
async function whileAsking(attack: () => Promise<void>): Promise<number[]> {
  const connection = await RawHttp.open(api.port)
  const took: number[] = []
  let over = false
  const asking = (async () => {
    while (!over) {
      await connection.send(head('GET', '/healthz'))
      const answer = await connection.answer(30_000)
      assert.equal(answer?.status, 200)
      took.push(answer.ms)
      await delay(5)
    }
  })()
  try {
    await attack()
  } finally {
    over = true
    await asking
    connection.close()
  }
  return took
}

/** What the server itself calls its own fault. */
function unexpected(): string[] {
  return api.log.split('\n').filter((line) => line.includes('unexpected error'))
}

function report(what: string, took: readonly number[]): void {
  const ms = (value: number) => value.toFixed(1)
  console.log(`  ${what}: median ${ms(median(took))} ms, worst ${ms(Math.max(...took))} ms of ${took.length}`)
}

const array = (count: number, entry: string) => `[${Array(count).fill(entry).join(',')}]`
const object = (count: number, value = '1') =>
  `{${Array.from({ length: count }, (_, i) => `"_${i.toString(36)}":${value}`).join(',')}}`
const reportWith = (part: string) => `{"changes":[],"holdings":null,"host":null,"ships":[],${part}}`

/** name, who sends it, where, what; each is refused with 400. */
const bodies: readonly [string, 'admin' | 'host', string, string | Buffer, RegExp][] = [
  ['nothing', 'admin', '/v1/ships', '', /malformed_json/],
  ['half an object', 'admin', '/v1/ships', '{"blueprint":"arena"', /malformed_json/],
  ['a key twice', 'admin', '/v1/ships', '{"blueprint":"arena","count":1,"count":900}', /"count" comes twice/],
  [
    'a key twice below',
    'admin',
    '/v1/ships',
    '{"blueprint":"arena","labels":{"a":"1","a":"2"}}',
    /in \/labels/,
  ],
  ['a prototype', 'admin', '/v1/ships', '{"blueprint":"arena","labels":{"__proto__":"x"}}', /__proto__/],
  ['no UTF-8', 'admin', '/v1/ships', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), /not UTF-8/],
  ['NUL in a name', 'admin', '/v1/ships', '{"blueprint":"arena\\u0000"}', /In the body, blueprint/],
  ['half a character', 'admin', '/v1/ships', '{"blueprint":"\\ud800"}', /In the body, blueprint/],
  [
    'a path as name',
    'admin',
    '/v1/fleets',
    '{"name":"../hosts","blueprint":"arena","replicas":1}',
    /body, name/,
  ],
  ['NUL in a label', 'admin', '/v1/ships', '{"blueprint":"arena","labels":{"a\\u0000":"b"}}', /labels/],
  ['a number past all bounds', 'admin', '/v1/ships', '{"blueprint":"arena","count":1e999}', /count/],
  ['200 kB of brackets', 'admin', '/v1/ships', '['.repeat(200_000), /32 deep/],
  ['a deep object', 'admin', '/v1/ships', `${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`, /32 deep/],
  [
    '25,000 labels',
    'admin',
    '/v1/ships',
    `{"blueprint":"arena","labels":${object(25_000)}}`,
    /more than 100 keys/,
  ],
  ['many small mistakes', 'admin', '/v1/ships', array(60_000, '{}'), /In the body/],
  ['2 MB of brackets', 'host', '/v1/monitor/reports', '['.repeat(2 * mebibyte), /32 deep/],
  [
    '1 MB deep',
    'host',
    '/v1/monitor/reports',
    '['.repeat(mebibyte / 2) + ']'.repeat(mebibyte / 2),
    /32 deep/,
  ],
  ['2 MB of empty objects', 'host', '/v1/monitor/reports', reportWith(`"x":${array(190_000, '{}')}`), /body/],
  ['5,000 empty samples', 'host', '/v1/monitor/reports', `{"ships":${array(5_000, '{}')}}`, /In the body/],
  ['100,000 changes', 'host', '/v1/monitor/reports', `{"changes":${array(100_000, '{}')}}`, /In the body/],
  [
    '2 MB of labels',
    'host',
    '/v1/monitor/hello',
    `{"host":{"labels":${object(150_000)}}}`,
    /more than 100 keys/,
  ],
  [
    'a large string',
    'host',
    '/v1/monitor/hello',
    `{"host":{"id":"${'a'.repeat(2_000_000)}"}}`,
    /In the body/,
  ],
]

test('bad bodies: 400 within the promised time, each with its reason, and nothing has changed', async () => {
  const before = await everything()
  const worst: [string, number][] = []
  const asked = await whileAsking(async () => {
    for (const [name, who, path, body, why] of bodies) {
      const request = post(path, body, {}, who === 'admin' ? adminToken : credential)
      const took: number[] = []
      for (let i = 0; i < 5; i++) {
        const answer = await askOnce(api.port, request)
        assert.match(isProblem(answer, 400, name), why, name)
        took.push(answer?.ms ?? 0)
      }
      worst.push([name, median(took)])
      assert.ok(median(took) < hardMs, `${name}: ${median(took)} ms`)
    }
  })
  worst.sort((a, b) => b[1] - a[1])
  console.log(
    `\n  slowest: ${worst
      .slice(0, 5)
      .map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`)
      .join(', ')}`,
  )
  const late = worst.filter(([, ms]) => ms > promiseMs)
  if (late.length > 0) console.log(`  later than promised on this busy machine: ${late.length}`)
  report('health meanwhile', asked)
  assert.ok(median(asked) < hardMs)
  assert.equal(await everything(), before)
})

test('bodies of other types: 415', async () => {
  for (const type of [
    'text/plain',
    'application/xml',
    'multipart/form-data; boundary=x',
    'application/jsonx',
  ])
    isProblem(await askOnce(api.port, post('/v1/ships', '{}', { 'content-type': type })), 415, type)
})

test('100 MB: 413 at once by its length, soon without one; 401 without a token; memory stays', async () => {
  const peakMiB = api.peakMiB
  const chunk = Buffer.alloc(64 * 1024, 0x20)
  const framed = Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')])
  const took: number[] = []
  async function pour(start: string, piece: Buffer, status: number): Promise<void> {
    const connection = await RawHttp.open(api.port)
    await connection.send(start)
    const answered = connection.answer(30_000).then((answer) => {
      isProblem(answer, status, start)
      return performance.now()
    })
    const startedAtMs = performance.now()
    // Goes on after the answer, as a client does that reads only when it has sent everything.
    let sent = 0
    while (sent < 100 * mebibyte && !connection.closed && (await connection.send(piece))) sent += piece.length
    took.push((await answered) - startedAtMs)
    connection.close()
  }
  const json = { 'content-type': 'application/json' }
  const sized = { ...json, 'content-length': 100 * mebibyte }
  const chunked = { ...json, 'transfer-encoding': 'chunked' }
  const asked = await whileAsking(async () => {
    for (let round = 0; round < 2; round++) {
      await Promise.all([
        ...[1, 2, 3].map(() => pour(head('POST', '/v1/ships', sized), chunk, 413)),
        ...[1, 2, 3].map(() => pour(head('POST', '/v1/ships', chunked), framed, 413)),
        pour(head('POST', '/v1/ships', { ...chunked, 'idempotency-key': 'a' }), framed, 413),
        pour(head('POST', '/v1/monitor/join', sized, ''), chunk, 413),
        pour(head('POST', '/v1/ships', sized, 'forged-token-0123456789'), chunk, 401),
        pour(head('POST', '/v1/ships', chunked, ''), framed, 401),
        pour(head('PUT', '/v1/blueprints/arena', sized), chunk, 413),
      ])
    }
  })
  report('\n  refused', took)
  report('health meanwhile', asked)
  console.log(`  memory at most ${api.peakMiB.toFixed(0)} MiB, before ${peakMiB.toFixed(0)} MiB`)
  assert.ok(api.peakMiB < peakMiB + 250, `${api.peakMiB} MiB`)
  assert.ok(median(took) < 2 * hardMs)
})

test('Expect: 100-continue: a body that is too large is not asked for', async () => {
  const headers = { 'content-type': 'application/json', expect: '100-continue' }
  const large = await askOnce(
    api.port,
    head('POST', '/v1/ships', { ...headers, 'content-length': 100 * mebibyte }),
  )
  isProblem(large, 413, 'large')
  const connection = await RawHttp.open(api.port)
  await connection.send(head('POST', '/v1/ships', { ...headers, 'content-length': 2 }))
  assert.equal((await connection.answer())?.status, 100)
  await connection.send('{}')
  isProblem(await connection.answer(), 400, 'small')
  connection.close()
})

test('a body over the limit of people is refused though agents may send as much', async () => {
  const body = `{"blueprint":"arena"${' '.repeat(300 * 1024)}}`
  assert.match(isProblem(await askOnce(api.port, post('/v1/ships', body)), 413, 'people'), /262144 bytes/)
})

test('slow headers, slow bodies and silence are cut with 408, truncated bodies are dropped', async () => {
  const slow = async (start: string) => {
    const connection = await RawHttp.open(api.port)
    const startedAtMs = performance.now()
    if (start) await connection.send(start)
    let over = false
    const dripping = (async () => {
      while (!over && start && !connection.closed && (await connection.send('x'))) await delay(200)
    })()
    const answer = await connection.answer(30_000)
    over = true
    isProblem(answer, 408, start.slice(0, 60))
    const ms = performance.now() - startedAtMs
    assert.ok(ms > requestMs / 2, `cut after ${ms} ms`)
    await dripping
    connection.close()
    return ms
  }
  const sized = head('POST', '/v1/ships', { 'content-type': 'application/json', 'content-length': 10_000 })
  const took = await Promise.all([
    slow(sized),
    slow(sized.replace('POST /v1/ships', 'PUT /v1/blueprints/arena')),
    slow(sized.replace('content-type', 'idempotency-key: slow\r\ncontent-type')),
    slow('GET /v1/ships HTTP/1.1\r\nHost: a\r\nX-Slow: '),
    slow(''),
  ])
  report('\n  cut', took)
  const before = await everything()
  for (let i = 0; i < 20; i++) {
    const connection = await RawHttp.open(api.port)
    await connection.send(`${sized}{"blueprint":"arena"`)
    if (i % 2 === 0) connection.end()
    await delay(5)
    connection.close()
  }
  assert.equal((await askOnce(api.port, head('GET', '/healthz')))?.status, 200)
  assert.equal(await everything(), before)
  assert.deepEqual(unexpected(), [])
})

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
  for (const [name, bytes, status] of cases) isProblem(await askOnce(api.port, bytes), status, name)
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
  for (const bytes of wrong) isProblem(await askOnce(api.port, bytes), [400, 404], bytes)
  const right = [
    get('/healthz', 'a:65535'),
    get('http://other.example/healthz', 'a'),
    get('/healthz', '[::1]:7700'),
  ]
  for (const bytes of right) assert.equal((await askOnce(api.port, bytes))?.status, 200, bytes)
  assert.equal((await askOnce(api.port, 'GET /healthz HTTP/1.0\r\n\r\n'))?.status, 200)
  assert.equal((await askOnce(api.port, 'GET /healthz HTTP/1.1\r\n\r\n'))?.status, 400)
  isProblem(await askOnce(api.port, head('GET', `/v1/ships/${'a'.repeat(8_000)}`)), 400, 'a path of 8 kB')
  for (const path of [
    '/v1/fleets/../ships',
    '/v1/%2E%2e/v1/ships',
    '/v1/./ships',
    '/x/../healthz?a',
    '/v1/ships/..',
  ])
    assert.match(isProblem(await askOnce(api.port, head('GET', path)), 400, path), /"\.\."/)
  assert.equal((await askOnce(api.port, get('/healthz?path=/../x', 'a')))?.status, 200)
})

test('many requests at once on one connection are answered in order', async () => {
  const connection = await RawHttp.open(api.port)
  const ids = Array.from({ length: 200 }, (_, i) => `order-${i}`)
  await connection.send(ids.map((id) => head('GET', '/healthz', { 'x-request-id': id })).join(''))
  for (const id of ids) assert.equal((await connection.answer())?.headers.get('x-request-id'), id)
  connection.close()
})

test('methods that a path does not answer: 405 with Allow; paths that are none: 404', async () => {
  for (const method of ['OPTIONS', 'TRACE', 'DELETE', 'PUT', 'PROPFIND', 'SEARCH']) {
    const answer = await askOnce(api.port, head(method, '/v1/ships', { 'content-length': 0 }))
    isProblem(answer, 405, method)
    assert.equal(answer?.headers.get('allow'), 'GET, HEAD, POST', method)
  }
  isProblem(await askOnce(api.port, 'BREW /v1/ships HTTP/1.1\r\nHost: a\r\n\r\n'), 400, 'BREW')
  isProblem(await askOnce(api.port, head('POST', '/healthz', { 'content-length': 0 })), 405, 'health')
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
    isProblem(await askOnce(api.port, head('GET', path)), 404, path)
  const connection = await RawHttp.open(api.port)
  await connection.send(head('HEAD', '/v1/ships'))
  const answer = await connection.answer(10_000, false)
  assert.deepEqual([answer?.status, answer?.text], [200, ''])
  connection.close()
})

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
  const before = await everything()
  const document = (await (await fetch(`${api.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { 'x-roles'?: string[]; requestBody?: unknown }>>
  }
  const connection = { now: await RawHttp.open(api.port) }
  let count = 0
  for (const [pattern, operations] of Object.entries(document.paths)) {
    const names = [...pattern.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string)
    for (const [method, { 'x-roles': roles = [], requestBody }] of Object.entries(operations)) {
      const token = roles.includes('admin') ? adminToken : roles.includes('runner') ? runnerToken : credential
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
            connection.now = await RawHttp.open(api.port)
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
  assert.equal(await everything(), before)
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
      const get = await askOnce(api.port, Buffer.from(head('GET', '/v1/ships', { [name]: value }), 'latin1'))
      assert.ok(get && get.status < 500, `${what}: ${get?.status} ${get?.text}`)
      assert.match(get.headers.get('x-request-id') ?? '', /^[\w-]{1,64}$/, what)
      const body = post('/v1/ships', '{"blueprint":"../x"}', { [name]: value })
      const made = await askOnce(api.port, body)
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
      const answer = await askOnce(api.port, head('GET', path))
      assert.ok(answer && answer.status < 500, `${path}: ${answer?.status} ${answer?.text}`)
    }
  }
  const nested = `${'('.repeat(2_000)}a in (${'b,'.repeat(400)}`
  const answer = await askOnce(api.port, head('GET', `/v1/ships?labelSelector=${encodeURIComponent(nested)}`))
  assert.ok(answer && answer.status === 400 && answer.ms < hardMs)
})

test('whoever is denied stands in the log, with the address that cannot be forged', async () => {
  const forged = { 'x-forwarded-for': '8.8.8.8', 'x-request-id': 'denied-1' }
  isProblem(
    await askOnce(api.port, head('GET', '/v1/ships', forged, 'forged-token-0123456789')),
    401,
    'forged',
  )
  for (let i = 0; i < 100 && !api.log.includes('denied-1'); i++) await delay(50)
  const line = api.log.split('\n').find((one) => one.includes('denied-1'))
  const { status, address } = JSON.parse(line ?? '{}')
  assert.deepEqual([status, address], [401, '127.0.0.1'])
})

test('afterwards it serves as before', async () => {
  const { v1 } = client()
  const made = await answerOf(v1.ships.$post({ json: { blueprint: 'arena', count: 2 }, header: {} }))
  assert.equal(made.ships.length, 2)
  assert.deepEqual(unexpected(), [])
})

test.run()
