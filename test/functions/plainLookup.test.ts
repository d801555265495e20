// Lookups without the way through Hono: the same answers, lines and figures, and nobody gets in who would not there.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf } from '../../shared/api/client.ts'
import { adminToken, metricsToken } from '../harness/apiServer.ts'
import { ask, left, same, startTwoWays, type TwoWays, request as written } from '../harness/twoWays.ts'
import { until } from '../harness/until.ts'

const test = suite('plain lookup')
let ways: TwoWays
let alone: string
let inFleet: string
const tokens: Record<string, string> = {}

test.before(async () => {
  ways = await startTwoWays()
  const { api } = ways
  const { v1 } = api.admin
  await answerOf(
    v1.blueprints[':blueprint'].$put({ param: { blueprint: 'arena' }, json: { image: 'game:1' } }),
  )
  const json = { blueprint: 'arena', labels: { mode: 'Düell' } }
  const made = await answerOf(v1.ships.$post({ json, header: {} }))
  alone = made.ships[0]?.id as string
  await answerOf(v1.fleets.$post({ json: { name: 'lobby', blueprint: 'arena', replicas: 1 } }))
  for (const [name, limits] of Object.entries({
    viewer: {},
    lobby: { fleets: ['lob*'] },
    other: { fleets: ['arena'] },
    slow: { rate: { perSecond: 0.1, burst: 1 } },
  })) {
    const { secret } = await answerOf(v1.tokens.$post({ json: { name, role: 'viewer', ...limits } }))
    tokens[name] = secret
  }
  const { revision } = await answerOf(v1.fleets[':fleet'].$get({ param: { fleet: 'lobby' } }))
  const step = { epoch: await api.lead('controllers'), revision, create: 1, stop: [], forget: false }
  const steps = api.runner.v1.fleets[':fleet'].steps
  const { created } = await answerOf(steps.$post({ param: { fleet: 'lobby' }, json: step }))
  inFleet = created[0] as string
})

test.after(() => ways?.close())

const request = (target: string, token: string | undefined, more: readonly string[] = [], method = 'GET') =>
  written(method, target, token, more)

test('what is plain is answered in the words of Hono, and leaves the same line', async () => {
  const { plain, hono, lines } = ways
  const trace = 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  for (const [name, bytes] of Object.entries({
    admin: request(`/v1/ships/${alone}`, adminToken),
    viewer: request(`/v1/ships/${alone}`, tokens.viewer),
    limited: request(`/v1/ships/${inFleet}`, tokens.lobby),
    traced: request(`/v1/ships/${alone}`, tokens.viewer, [trace, 'X-Request-Id: mine']),
    port: request(`/v1/ships/${alone}`, tokens.viewer, ['Host: 10.0.0.1:8080']),
    'bad id': request(`/v1/ships/${alone}`, tokens.viewer, ['X-Request-Id: no id', 'traceparent: 00-x']),
    proxied: request(`/v1/ships/${alone}`, tokens.viewer, ['X-Forwarded-For: 8.8.8.8']),
    'a condition': request(`/v1/ships/${alone}`, adminToken, ['If-Match: "1"', 'Accept-Encoding: gzip']),
  })) {
    lines.length = 0
    const [here, there] = [await ask(plain, bytes), await ask(hono, bytes)]
    assert.equal(here.status, 200, name)
    assert.deepEqual(same(here, name === 'traced'), same(there, name === 'traced'), name)
    assert.match(String(here.headers.get('x-request-id')), name === 'traced' ? /^mine$/ : /^[\da-f-]{36}$/)
    assert.equal(lines.length, 2, name)
    const [ofPlain, ofHono] = lines.map(({ ms, requestId, ...line }) => {
      assert.ok(Number(ms) >= 0)
      return name === 'traced' ? { requestId, ...line } : line
    })
    assert.deepEqual(ofPlain, ofHono, name)
  }
})

test('whatever else there is goes the long way', async () => {
  const { plain, hono } = ways
  const path = `/v1/ships/${alone}`
  const longWay: Record<string, [string, number]> = {
    nobody: [request(path, undefined), 401],
    'a wrong token': [request(path, 'wrong'), 401],
    'a token twice': [request(path, adminToken, ['authorization: Bearer other']), 401],
    'a role that may not': [request(path, metricsToken), 403],
    'another fleet': [request(`/v1/ships/${inFleet}`, tokens.other), 404],
    'no fleet': [request(path, tokens.lobby), 404],
    'no such ship': [request('/v1/ships/arena-none', adminToken), 404],
    'a query': [request(`${path}?consistent=true`, adminToken), 200],
    'a newer revision': [request(path, adminToken, ['X-Armada-Min-Revision: 1']), 200],
    'a body': [request(path, adminToken, ['Content-Length: 3000000']), 413],
    'a path that is no name': [request('/v1/ships/Arena', adminToken), 400],
    dots: [request(`/v1/ships/./${alone}`, adminToken), 400],
    'a part of it': [request(`${path}/events`, adminToken), 200],
    head: [request(path, adminToken, [], 'HEAD'), 200],
    options: [request(path, adminToken, [], 'OPTIONS'), 405],
    'a change': [request(path, adminToken, ['Content-Length: 0'], 'PATCH'), 200],
  }
  for (const [name, [bytes, status]] of Object.entries(longWay)) {
    const here = await ask(plain, bytes)
    const there = await ask(hono, bytes)
    assert.deepEqual([here.status, there.status], [left, status], name)
  }
})

test('a Host that cannot be is refused before anything is looked up', async () => {
  const { plain, hono } = ways
  for (const host of ['a b', 'x:99999', '[::1', 'a/b']) {
    const bytes = request(`/v1/ships/${alone}`, adminToken, [`Host: ${host}`])
    assert.deepEqual([(await ask(plain, bytes)).status, (await ask(hono, bytes)).status], [400, 400], host)
  }
})

test('a rate counts both ways together', async () => {
  const { plain, hono } = ways
  const bytes = request(`/v1/ships/${alone}`, tokens.slow)
  assert.equal((await ask(plain, bytes)).status, 200)
  assert.equal((await ask(plain, bytes)).status, left)
  assert.equal((await ask(hono, bytes)).status, 429)
})

test('a token that was revoked is none, and every lookup is counted', async () => {
  const { api, plain, hono } = ways
  const figures = async () => {
    const text = (await ask(hono, request('/metrics', metricsToken))).text
    return Number(
      /requests_total\{method="GET",route="\/v1\/ships\/:ship",status="200"\} (\d+)/.exec(text)?.[1],
    )
  }
  const before = await figures()
  const bytes = request(`/v1/ships/${alone}`, tokens.viewer)
  assert.equal((await ask(plain, bytes)).status, 200)
  assert.equal(await figures(), before + 1)
  await answerOf(api.admin.v1.tokens[':token'].$delete({ param: { token: 'viewer' } }))
  assert.equal((await ask(plain, bytes)).status, left)
  assert.equal((await ask(hono, bytes)).status, 401)
})

test('an old copy of the store is left to Hono, which says how old it is', async () => {
  const { stack, plain, hono } = ways
  const bytes = request(`/v1/ships/${alone}`, adminToken)
  await stack.etcd.kill()
  try {
    await until(async () => (await ask(plain, bytes)).status === left, 20_000)
    const there = await ask(hono, bytes)
    assert.equal(there.status, 200)
    assert.match(there.headers.get('x-armada-stale') ?? '', /^\d+$/)
  } finally {
    await stack.etcd.restart()
  }
})

test.run()
