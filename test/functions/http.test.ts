// What every answer has on its way: when to come back, from which address it was asked, and how it is packed.
import assert from 'node:assert/strict'
import { gunzipSync } from 'node:zlib'
import { Hono } from 'hono'
import { request } from 'undici'
import { suite } from 'uvu'
import { HttpServer } from '../../functions/httpServer.ts'
import type { Env } from '../../functions/middleware/authenticate.ts'
import { clientAddress } from '../../functions/middleware/clientAddress.ts'
import { onError } from '../../functions/middleware/problems.ts'
import { identify } from '../../functions/middleware/request.ts'
import { answerOf } from '../../shared/api/client.ts'
import { ArmadaError, type ProblemCode, problems } from '../../shared/errors.ts'
import { createLog } from '../../shared/log.ts'
import { adminToken, metricsToken } from '../harness/apiServer.ts'
import { askOnce } from '../harness/rawHttp.ts'
import { publish, startTwoServers, type TwoServers } from '../harness/twoServers.ts'

const test = suite('http')
const log = createLog('test', 'silent')
let two: TwoServers

test.before(async () => {
  two = await startTwoServers()
  await publish(two.a, 'arena')
  await answerOf(two.a.admin.v1.ships.$post({ json: { blueprint: 'arena', count: 50 }, header: {} }))
})

test.after(() => two.stop())

test('every 429 and 503 says when to come back, in seconds', async () => {
  const app = new Hono<Env>()
  app.onError(onError(log))
  app.get('/:code', (c) => {
    throw new ArmadaError(c.req.param('code') as ProblemCode, 'so')
  })
  app.get('/late/:code', (c) => {
    throw new ArmadaError(c.req.param('code') as ProblemCode, 'so', { retryAfterSeconds: 7 })
  })
  for (const [code, { status }] of Object.entries(problems)) {
    const answer = await app.request(`/${code}`)
    assert.equal(answer.status, status)
    const seconds = answer.headers.get('retry-after')
    if (status === 429 || status === 503) assert.match(seconds ?? '', /^[1-9]\d*$/, code)
    else assert.equal(seconds, null, code)
    assert.equal((await app.request(`/late/${code}`)).headers.get('retry-after'), '7', code)
  }
})

/** The address that a server behind so many proxies believes. */
async function believed(proxyHops: number, forwarded?: string): Promise<string> {
  const app = new Hono<Env>()
  app.use(identify(log, { proxyHops }))
  app.get('/', (c) => c.text(String(clientAddress(c))))
  const server = await HttpServer.start({ fetch: app.fetch, host: '::', port: 0, log })
  const header = forwarded === undefined ? '' : `X-Forwarded-For: ${forwarded}\r\n`
  const answer = await askOnce(server.port, `GET / HTTP/1.1\r\nHost: a\r\n${header}\r\n`)
  await server.stop({ delayMs: 0, limitMs: 0, onClosed: () => undefined })
  return answer?.text ?? ''
}

test('X-Forwarded-For is believed as far as our own proxies wrote it', async () => {
  const cases: [number, string | undefined, string][] = [
    [0, undefined, '127.0.0.1'],
    [0, '8.8.8.8', '127.0.0.1'],
    [1, undefined, '127.0.0.1'],
    [1, '8.8.8.8', '8.8.8.8'],
    [1, '1.1.1.1, 8.8.8.8', '8.8.8.8'],
    [2, '1.1.1.1, 8.8.8.8,10.0.0.1', '8.8.8.8'],
    [2, '8.8.8.8', '127.0.0.1'],
    [1, '8.8.8.8:51234', '8.8.8.8'],
    [1, '[2001:db8::1]:443', '2001:db8::1'],
    [1, '2001:DB8:0::1', '2001:db8::1'],
    [1, '::ffff:8.8.8.8', '8.8.8.8'],
    [1, 'unknown', '127.0.0.1'],
    [1, "8.8.8.8'; drop", '127.0.0.1'],
    [1, '', '127.0.0.1'],
  ]
  for (const [hops, forwarded, address] of cases)
    assert.equal(await believed(hops, forwarded), address, `${hops} ${forwarded}`)
})

/** Undici's request leaves an answer as it came. */
async function got(path: string, accept?: string, token = adminToken) {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(accept !== undefined && { 'accept-encoding': accept }),
  }
  const answer = await request(new URL(path, two.a.url), { headers })
  return {
    ...{ status: answer.statusCode, headers: answer.headers },
    bytes: Buffer.from(await answer.body.arrayBuffer()),
  }
}

test('lists and documents are gzipped for who accepts it, and say the same', async () => {
  for (const path of ['/v1/ships', '/openapi.json', '/docs']) {
    const plain = await got(path)
    const packed = await got(path, 'br, gzip;q=0.8')
    assert.deepEqual([plain.status, packed.status], [200, 200])
    assert.equal(plain.headers['content-encoding'], undefined)
    assert.equal(packed.headers['content-encoding'], 'gzip')
    assert.match(String(packed.headers.vary), /accept-encoding/i)
    assert.equal(gunzipSync(packed.bytes).toString(), plain.bytes.toString(), path)
    assert.ok(packed.bytes.length < plain.bytes.length / 2, path)
  }
  assert.equal((await got('/metrics', 'gzip', metricsToken)).headers['content-encoding'], 'gzip')
})

test('single records, short lists, problems and those who do not accept it get plain answers', async () => {
  const [ship] = (await answerOf(two.a.admin.v1.ships.$get({ query: { limit: '1' } }))).ships
  const cases: [string, string, number][] = [
    [`/v1/ships/${ship?.id}`, 'gzip', 200],
    ['/v1/blueprints/arena', 'gzip', 200],
    ['/v1/ships?limit=1', 'gzip', 200],
    ['/v1/hosts', 'gzip', 200],
    ['/v1/ships?limit=x', 'gzip', 400],
    ['/v1/ships', 'gzip;q=0', 200],
    ['/v1/ships', 'identity', 200],
    ['/healthz', 'gzip', 200],
  ]
  for (const [path, accept, status] of cases) {
    const { headers, bytes, ...answer } = await got(path, accept)
    assert.equal(answer.status, status, path)
    assert.equal(headers['content-encoding'], undefined, `${path} ${accept}`)
    assert.equal(Number(headers['content-length']), bytes.length, path)
    if (path.startsWith('/v1/')) assert.equal(headers['cache-control'], 'no-store')
  }
  const one = await got(`/v1/ships/${ship?.id}`, 'gzip')
  assert.match(String(one.headers.etag), /^"/)
})

test.run()
