// Bodies that strangers send: a clear 4xx soon, nothing changed, memory bounded, and everybody else served meanwhile.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import { answerOf } from '../../../shared/api/client.ts'
import { adminToken } from '../../harness/apiServer.ts'
import { askOnce, RawHttp } from '../../harness/rawHttp.ts'
import {
  hardMs,
  head,
  isProblem,
  mebibyte,
  median,
  post,
  promiseMs,
  report,
  requestMs,
  Target,
} from '../../harness/target.ts'

const test = suite('hostile bodies')

let target: Target
test.before(async () => {
  target = await Target.start()
})
test.after(() => target?.stop())

const array = (count: number, entry: string) => `[${Array(count).fill(entry).join(',')}]`
const object = (count: number, value = '1') =>
  `{${Array.from({ length: count }, (_, i) => `"_${i.toString(36)}":${value}`).join(',')}}`
const framedAsChunk = (piece: Buffer) =>
  Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
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
  const before = await target.everything()
  const worst: [string, number][] = []
  const asked = await target.whileAsking(async () => {
    for (const [name, who, path, body, why] of bodies) {
      const request = post(path, body, {}, who === 'admin' ? adminToken : target.credential)
      const took: number[] = []
      for (let i = 0; i < 5; i++) {
        const answer = await askOnce(target.api.port, request)
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
  assert.equal(await target.everything(), before)
})

test('bodies of other types: 415', async () => {
  for (const type of [
    'text/plain',
    'application/xml',
    'multipart/form-data; boundary=x',
    'application/jsonx',
  ])
    isProblem(await askOnce(target.api.port, post('/v1/ships', '{}', { 'content-type': type })), 415, type)
})

test('100 MB: 413 at once by its length, soon without one; 401 without a token; memory stays', async () => {
  const peakMiB = target.api.peakMiB
  const chunk = Buffer.alloc(64 * 1024, 0x20)
  const framed = framedAsChunk(chunk)
  const took: number[] = []
  async function pour(start: string, piece: Buffer, status: number): Promise<void> {
    const connection = await RawHttp.open(target.api.port)
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
  const asked = await target.whileAsking(async () => {
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
  console.log(`  memory at most ${target.api.peakMiB.toFixed(0)} MiB, before ${peakMiB.toFixed(0)} MiB`)
  assert.ok(target.api.peakMiB < peakMiB + 250, `${target.api.peakMiB} MiB`)
  assert.ok(median(took) < 2 * hardMs)
})

test('a slow sender whose body is refused unread may send to its end and then read the answer', async () => {
  const piece = Buffer.alloc(128 * 1024, 0x20)
  const slow = async (more: Record<string, string | number>) => {
    const connection = await RawHttp.open(target.api.port)
    const json = { 'content-type': 'application/json' }
    await connection.send(head('POST', '/v1/ships', { ...json, ...more }))
    const next = 'content-length' in more ? piece : framedAsChunk(piece)
    for (let sent = 0; sent < 24; sent++) {
      assert.ok(!connection.closed && (await connection.send(next)), `${sent}`)
      await delay(50)
    }
    isProblem(await connection.answer(), 413, JSON.stringify(more))
    connection.close()
  }
  const length = { 'content-length': 24 * piece.length }
  const chunked = { 'transfer-encoding': 'chunked' }
  await Promise.all([length, chunked].flatMap((body) => [slow(body), slow({ ...body, connection: 'close' })]))
})

test('Expect: 100-continue: a body that is too large is not asked for', async () => {
  const headers = { 'content-type': 'application/json', expect: '100-continue' }
  const large = await askOnce(
    target.api.port,
    head('POST', '/v1/ships', { ...headers, 'content-length': 100 * mebibyte }),
  )
  isProblem(large, 413, 'large')
  const connection = await RawHttp.open(target.api.port)
  await connection.send(head('POST', '/v1/ships', { ...headers, 'content-length': 2 }))
  assert.equal((await connection.answer())?.status, 100)
  await connection.send('{}')
  isProblem(await connection.answer(), 400, 'small')
  connection.close()
})

test('a body over the limit of people is refused though agents may send as much', async () => {
  const body = `{"blueprint":"arena"${' '.repeat(300 * 1024)}}`
  assert.match(
    isProblem(await askOnce(target.api.port, post('/v1/ships', body)), 413, 'people'),
    /262144 bytes/,
  )
})

test('slow headers, slow bodies and silence are cut with 408, truncated bodies are dropped', async () => {
  const slow = async (start: string) => {
    const connection = await RawHttp.open(target.api.port)
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
  const before = await target.everything()
  for (let i = 0; i < 20; i++) {
    const connection = await RawHttp.open(target.api.port)
    await connection.send(`${sized}{"blueprint":"arena"`)
    if (i % 2 === 0) connection.end()
    await delay(5)
    connection.close()
  }
  assert.equal((await askOnce(target.api.port, head('GET', '/healthz')))?.status, 200)
  assert.equal(await target.everything(), before)
  assert.deepEqual(target.unexpected(), [])
})

test('afterwards it serves as before', async () => {
  const { v1 } = target.client
  const made = await answerOf(v1.ships.$post({ json: { blueprint: 'arena', count: 2 }, header: {} }))
  assert.equal(made.ships.length, 2)
  assert.deepEqual(target.unexpected(), [])
})

test.run()
