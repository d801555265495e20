// The edge in workerd, as wrangler bundles it, on real stores beside an ApiServer: equal lookups, forwarded writes.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { Miniflare } from 'miniflare'
import { suite } from 'uvu'
import { scratchDir } from '../../infra/stack/scratch.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { type ApiServer, adminToken, runnerToken, startApiServer } from '../harness/apiServer.ts'
import { until } from '../harness/until.ts'

const test = suite('edge')
const log = createLog('test', 'silent')
const [, compatibilityDate = ''] =
  /^compatibility_date = "(.*)"$/m.exec(readFileSync('wrangler.toml', 'utf8')) ?? []
const running: Miniflare[] = []
const servers: Server[] = []
let scratch: Awaited<ReturnType<typeof scratchDir>>
let stack: Stack
/** Serves the tests themselves; the edge does not know it. */
let node: ApiServer
/** The ApiServer behind the edge. */
let behind: ApiServer
let edge: string
/** The same without the address of Redis. */
let edgeWithoutRedis: string
let ready: string
let queued: string
let hostCredential: string

/** The Worker with these settings, on a port of its own. */
async function startEdge(bindings: Record<string, string>): Promise<string> {
  const worker = new Miniflare({
    host: '127.0.0.1',
    cf: false,
    modules: true,
    script: readFileSync(join(scratch.dir, 'edge', 'edge.js'), 'utf8'),
    compatibilityDate,
    compatibilityFlags: ['nodejs_compat'],
    bindings: { ARMADA_LOG: 'silent', ...bindings },
  })
  running.push(worker)
  return (await worker.ready).origin
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const settings = (api: string) => ({
  ARMADA_API: api,
  ARMADA_ETCD: stack.etcd.address,
  ARMADA_REDIS: stack.redis.address,
  ARMADA_ADMIN_TOKEN: adminToken,
  ARMADA_RUNNER_TOKEN: runnerToken,
})

/** All of an answer that a caller can tell apart, with the same request id asked of both. */
async function answerAt(url: string, path: string, token: string, method = 'GET') {
  const response = await fetch(url + path, {
    method,
    headers: { 'x-request-id': 'same', ...(token && { authorization: `Bearer ${token}` }) },
  })
  const { status, headers } = response
  const shown = ['etag', 'content-type', 'www-authenticate', 'retry-after', 'x-request-id']
  return {
    status,
    headers: shown.map((name) => `${name}: ${headers.get(name)}`),
    body: Buffer.from(await response.arrayBuffer()).toString('latin1'),
  }
}

async function assertEqual(
  path: string,
  token: string,
  status: number,
  { method = 'GET', at = edge } = {},
): Promise<void> {
  const [here, there] = await Promise.all([
    answerAt(at, path, token, method),
    answerAt(node.url, path, token, method),
  ])
  assert.deepEqual(here, there, `${method} ${path}`)
  assert.equal(here.status, status, `${method} ${path}: ${here.body}`)
}

async function problemOf(response: Response) {
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  return (await response.json()) as { code: string; status: number; detail: string; requestId: string }
}

const asAdmin = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
const post = (url: string, path: string, body: unknown, headers: object = {}) =>
  fetch(url + path, { method: 'POST', headers: { ...asAdmin, ...headers }, body: JSON.stringify(body) })

const publish = (name: string, env: Record<string, string>) =>
  answerOf(
    node.admin.v1.blueprints[':blueprint'].$put({
      param: { blueprint: name },
      json: { image: 'game:1', env },
    }),
  )

async function joinHost(id: string): Promise<string> {
  const { token } = await answerOf(node.admin.v1.hosts['join-tokens'].$post({ json: { host: id } }))
  const host = {
    id,
    address: '127.0.0.1',
    capacity: { cpuMillis: 4_000, memoryMiB: 4_096 },
    ports: { from: 7000, to: 7100 },
    agentVersion: 'test',
  }
  const { credential } = await answerOf(node.as('').v1.monitor.join.$post({ json: { token, host } }))
  return credential
}

/** Two ships: one Ready and measured, one in the queue. */
async function makeShips(): Promise<[string, string]> {
  const { ships } = await answerOf(
    node.admin.v1.ships.$post({ json: { blueprint: 'arena', count: 2 }, header: {} }),
  )
  const [first, second] = ships.map((ship) => ship.id) as [string, string]
  const { monitor } = node.as(hostCredential).v1
  await answerOf(monitor.claims.$post({ json: { claims: [{ ship: first, attempt: 1, ports: {} }] } }))
  const measured = { players: 3, maxPlayers: 16, map: 'dm ü→漢', cpuMillis: 12.5, memoryMiB: 80 }
  await answerOf(
    monitor.reports.$post({
      json: {
        changes: [{ ship: first, attempt: 1, state: 'Ready' }],
        holdings: null,
        host: null,
        ships: [{ ship: first, ...measured }],
      },
    }),
  )
  return [first, second]
}

test.before(async () => {
  scratch = await scratchDir()
  stack = await startStack({ dir: scratch.dir, profile: 'fast', log })
  ;[node, behind] = await Promise.all([startApiServer(stack), startApiServer(stack)])
  // What is deployed is what is tested: the bundle is wrangler's own.
  const deploy = ['wrangler', 'deploy', '--dry-run', '--outdir', join(scratch.dir, 'edge')]
  const offline = { WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false', CI: '1' }
  // Not synchronously: a blocked event loop loses the ApiServers' sessions.
  await promisify(execFile)('npx', deploy, { env: { ...process.env, ...offline } })
  edge = await startEdge(settings(behind.url))
  edgeWithoutRedis = await startEdge({ ...settings(behind.url), ARMADA_REDIS: '' })
  await publish('arena', { MOTD: 'grüß → 漢字 🚀' })
  for (let i = 0; i <= 100; i++) await publish('often', { TURN: String(i) })
  await publish('gone', {})
  await answerOf(node.admin.v1.blueprints[':blueprint'].$delete({ param: { blueprint: 'gone' } }))
  hostCredential = await joinHost('host-one')
  ;[ready, queued] = await makeShips()
})

test.after(async () => {
  await Promise.all(running.map((worker) => worker.dispose()))
  for (const server of servers) server.close().closeAllConnections()
  await Promise.all([node?.close(), behind?.close()])
  await stack?.stop()
  await scratch?.remove()
})

test('lookups equal those of Node byte for byte, the sample of a ship included', async () => {
  for (const token of [adminToken, runnerToken]) {
    await assertEqual(`/v1/ships/${ready}`, token, 200)
    await assertEqual(`/v1/ships/${queued}`, token, 200)
    await assertEqual('/v1/blueprints/arena', token, 200)
  }
  const { body } = await answerAt(edge, `/v1/ships/${ready}`, adminToken)
  assert.equal(JSON.parse(body).sample.players, 3)
  await assertEqual('/v1/blueprints/often', adminToken, 200)
  await assertEqual('/v1/blueprints/often?revision=7', adminToken, 200)
  await assertEqual('/v1/blueprints/often/revisions', adminToken, 200)
  await assertEqual('/v1/blueprints/often/diff?from=7', adminToken, 200)
  await assertEqual(`/v1/ships/${ready}`, adminToken, 200, { method: 'HEAD' })
  await assertEqual('/healthz', '', 200)
  await assertEqual(`/v1/ships/${ready}`, adminToken, 200, { at: edgeWithoutRedis })
  await assertEqual(`/v1/ships/${ready}`, '', 401, { at: edgeWithoutRedis })
})

test('what is forwarded equals Node too: fleets, lists, the API document, routes that are none', async () => {
  const fleet = { name: 'lobby', blueprint: 'arena', replicas: 3 }
  assert.equal((await post(edge, '/v1/fleets', fleet)).status, 201)
  for (const path of ['/v1/fleets/lobby', '/v1/fleets', '/v1/ships?limit=1', '/v1/blueprints', '/v1/hosts'])
    await assertEqual(path, adminToken, 200)
  await assertEqual('/v1/fleets/nothing', adminToken, 404)
  await assertEqual('/openapi.json', '', 200)
  await assertEqual('/v1/nowhere', adminToken, 404)
  await assertEqual('/v1/nowhere', adminToken, 404, { method: 'POST' })
})

test('problem documents equal those of Node byte for byte', async () => {
  await assertEqual('/v1/ships/nothing', adminToken, 404)
  await assertEqual('/v1/blueprints/nothing', adminToken, 404)
  await assertEqual('/v1/blueprints/nothing/revisions', adminToken, 404)
  await assertEqual('/v1/blueprints/gone', adminToken, 404)
  await assertEqual('/v1/blueprints/gone/revisions', adminToken, 404)
  await assertEqual('/v1/blueprints/arena?revision=99', adminToken, 404)
  for (const id of ['UPPER', 'a_b', '%00', '%C3%A4', '%2e%2e%2f', 'x'.repeat(4_000), '-'])
    await assertEqual(`/v1/ships/${id}`, adminToken, 400)
  for (const revision of ['0', '-1', '1.5', 'abc', ''])
    await assertEqual(`/v1/blueprints/arena?revision=${revision}`, adminToken, 400)
})

test('the edge lets in whom Node lets in, and nobody else', async () => {
  const strangers = [
    '',
    'wrong-token-0123456789',
    `${adminToken}x`,
    adminToken.slice(0, -1),
    'armada-host.host-one',
    'armada-host.host-one.forged',
    'armada-host.nobody.forged',
    'armada-host.../ships/x.forged',
  ]
  for (const path of [`/v1/ships/${ready}`, '/v1/blueprints/arena', '/v1/ships']) {
    for (const token of strangers) await assertEqual(path, token, 401)
    await assertEqual(path, hostCredential, 403)
  }
  const { body } = await answerAt(edge, `/v1/ships/${ready}`, '')
  assert.equal(JSON.parse(body).code, 'unauthenticated')
  assert.equal((await post(edge, '/v1/ships', { blueprint: 'arena' }, { authorization: '' })).status, 401)
})

test('tokens that admins make: equal answers, also to those that are limited to fleets; none once they end', async () => {
  const { tokens, fleets } = node.admin.v1
  const make = async (name: string, more: object = {}) =>
    (await answerOf(tokens.$post({ json: { name, role: 'viewer', ...more } }))).secret
  const [viewer, limited, short, old] = await Promise.all([
    make('viewer-1'),
    make('limited', { fleets: ['hall-*'] }),
    make('short', { ttlSeconds: 1 }),
    make('old'),
  ])
  const { revision } = await answerOf(
    fleets.$post({ json: { name: 'hall-eu', blueprint: 'arena', replicas: 1 } }),
  )
  const epoch = await node.lead('controllers')
  const step = { epoch, revision, create: 1, stop: [], forget: false }
  const { created } = await answerOf(
    node.runner.v1.fleets[':fleet'].steps.$post({ param: { fleet: 'hall-eu' }, json: step }),
  )
  const path = `/v1/ships/${created[0]}`
  for (const token of [viewer, limited]) await assertEqual(path, token, 200)
  await assertEqual(`/v1/ships/${ready}`, viewer, 200)
  await assertEqual(`/v1/ships/${ready}`, limited, 404)
  await assertEqual(`/v1/ships/${ready}`, limited, 404, { at: edgeWithoutRedis })
  await assertEqual('/v1/ships', limited, 200)
  await assertEqual('/v1/blueprints/arena', viewer, 200)
  await assertEqual('/v1/blueprints/arena', limited, 403)
  for (const token of [`${viewer}x`, viewer.slice(0, -1), 'armada-token.viewer-1', 'armada-token.nobody.x'])
    await assertEqual(path, token, 401)

  const { secret } = await answerOf(
    tokens[':token'].rotate.$post({ param: { token: 'old' }, json: { graceSeconds: 600 } }),
  )
  for (const token of [old, secret]) await assertEqual(path, token, 200)
  await answerOf(tokens[':token'].$delete({ param: { token: 'old' } }))
  for (const token of [old, secret, short]) {
    await until(async () => (await answerAt(edge, path, token)).status === 401)
    await assertEqual(path, token, 401)
  }

  const withoutAdmin = await startEdge({ ...settings(behind.url), ARMADA_ADMIN_TOKEN: '' })
  await assertEqual(path, viewer, 200, { at: withoutAdmin })
  assert.equal((await answerAt(withoutAdmin, path, adminToken)).status, 401)
})

test('writes arrive, or come back with the reason of the ApiServer', async () => {
  const made = await post(edge, '/v1/ships', { blueprint: 'arena' }, { 'idempotency-key': 'edge' })
  assert.equal(made.status, 201)
  const [ship] = ((await made.json()) as { ships: { id: string }[] }).ships
  await assertEqual(`/v1/ships/${ship?.id}`, adminToken, 200)
  const stopped = await fetch(`${edge}/v1/ships/${ship?.id}`, { method: 'DELETE', headers: asAdmin })
  assert.equal(stopped.status, 202)
  await assertEqual(`/v1/ships/${ship?.id}`, adminToken, 200)

  const codeOf = async (path: string, body: unknown) => (await problemOf(await post(edge, path, body))).code
  assert.equal(await codeOf('/v1/ships', { blueprint: 'nothing' }), 'not_found')
  assert.equal(await codeOf('/v1/ships', { blueprint: 'arena', colour: 'red' }), 'invalid_request')
  assert.equal(await codeOf('/v1/ships', 'x'.repeat(3_000_000)), 'body_too_large')
  assert.equal(await codeOf('/v1/placements', {}), 'forbidden')
})

test('the caller goes along: token, request id, address, body', async () => {
  const echo = await serve((request, response) => {
    const { method, url, headers } = request
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ method, url, headers, body }))
    })
  })
  const worker = await startEdge(settings(`${echo}/`))
  const sent = { 'x-request-id': 'mine', 'x-forwarded-for': '192.0.2.1', 'if-match': '7' }
  const path = '/v1/fleets/lobby?a=%20b&c=%2F'
  const options = { method: 'PATCH', headers: { ...asAdmin, ...sent }, body: '{"replicas":2}' }
  const got = await (await fetch(worker + path, options)).json()
  const { method, url, headers, body } = got as Record<string, string> & { headers: Record<string, string> }
  assert.deepEqual([method, url, body], ['PATCH', path, '{"replicas":2}'])
  assert.equal(headers.authorization, asAdmin.authorization)
  assert.equal(headers['x-request-id'], 'mine')
  assert.equal(headers['if-match'], '7')
  assert.match(headers['x-forwarded-for'] ?? '', /^192\.0\.2\.1, \S+$/)
  const made = (await (await fetch(`${worker}/v1/fleets`)).json()) as { headers: Record<string, string> }
  assert.match(made.headers['x-request-id'] ?? '', /^[\da-f-]{36}$/)
  assert.equal(made.headers.authorization, undefined)
})

test("an agent's stream flows through", async () => {
  const leaving = new AbortController()
  const headers = { authorization: `Bearer ${hostCredential}` }
  const stream = await fetch(`${edge}/v1/monitor/stream`, { headers, signal: leaving.signal })
  const first = await stream.body?.getReader().read()
  assert.match(Buffer.from(first?.value ?? []).toString(), /^event: ping/)
  leaving.abort()
})

test('a hundred lookups at once, and no connection to Redis stays behind', async () => {
  const redis = new Redis(stack.redis.address)
  try {
    const clients = async () => String(await redis.client('LIST')).split('\n').length
    const before = await clients()
    const path = `/v1/ships/${ready}`
    const expected = await answerAt(node.url, path, adminToken)
    const answers = await Promise.all(Array.from({ length: 100 }, () => answerAt(edge, path, adminToken)))
    for (const answer of answers) assert.deepEqual(answer, expected)
    await until(async () => (await clients()) <= before)
  } finally {
    redis.disconnect()
  }
})

test('Redis away: a ship is shown without its sample, which Node has in memory; all else is equal', async () => {
  stack.redis.pause()
  try {
    const path = `/v1/ships/${ready}`
    const [there, here] = await Promise.all([edge, node.url].map((url) => answerAt(url, path, adminToken)))
    const known = JSON.parse(here?.body ?? '')
    assert.ok(known.sample)
    assert.deepEqual(JSON.parse(there?.body ?? ''), { ...known, sample: null })
    await assertEqual('/v1/blueprints/arena', adminToken, 200)
  } finally {
    stack.redis.resume()
  }
  await until(async () => (await answerAt(node.url, `/v1/ships/${ready}`, adminToken)).body.includes('"map"'))
  await assertEqual(`/v1/ships/${ready}`, adminToken, 200)
})

test('etcd away: the edge says so', async () => {
  stack.etcd.pause()
  try {
    const problem = await problemOf(await fetch(`${edge}/v1/ships/${ready}`, { headers: asAdmin }))
    assert.deepEqual([problem.status, problem.code], [503, 'unavailable'])
    assert.match(problem.detail, /etcd does not answer/)
  } finally {
    stack.etcd.resume()
  }
  await until(async () => (await answerAt(edge, `/v1/ships/${ready}`, adminToken)).status === 200)
})

test('the ApiServer is stopped: lookups go on, and the rest is refused with a clear error', async () => {
  await behind.close()
  await assertEqual(`/v1/ships/${ready}`, adminToken, 200)
  await assertEqual('/v1/ships/nothing', adminToken, 404)
  await assertEqual('/v1/blueprints/arena', adminToken, 200)
  await assertEqual('/v1/blueprints/often/revisions', adminToken, 200)
  await assertEqual(`/v1/ships/${ready}`, '', 401)
  await assertEqual('/healthz', '', 200)
  const bare = JSON.parse((await answerAt(edgeWithoutRedis, `/v1/ships/${ready}`, adminToken)).body)
  assert.deepEqual([bare.id, bare.state, bare.sample], [ready, 'Ready', null])
  await assertEqual(`/v1/ships/${ready}`, '', 401, { at: edgeWithoutRedis })
  const refused = await post(edge, '/v1/ships', { blueprint: 'arena' }, { 'x-request-id': 'late' })
  assert.equal(refused.headers.get('retry-after'), '2')
  const problem = await problemOf(refused)
  assert.deepEqual([problem.status, problem.code, problem.requestId], [503, 'unavailable', 'late'])
  assert.match(problem.detail, /unknown whether this was carried out.* same Idempotency-Key/)
  const fleet = await problemOf(await fetch(`${edge}/v1/fleets/lobby`, { headers: asAdmin }))
  assert.deepEqual([fleet.status, fleet.code], [503, 'unavailable'])
})

test('an ApiServer that never answers, and a load balancer that answers in its place, count as none', async () => {
  const [hung, page] = await Promise.all([
    serve(() => undefined),
    serve((_, response) =>
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>'),
    ),
  ])
  const [late, instead] = await Promise.all([startEdge(settings(hung)), startEdge(settings(page))])
  const beganAt = performance.now()
  const problems = await Promise.all(
    [late, instead].map(async (url) => problemOf(await post(url, '/v1/ships', { blueprint: 'arena' }))),
  )
  for (const { status, code } of problems) assert.deepEqual([status, code], [503, 'unavailable'])
  assert.ok(performance.now() - beganAt < 15_000)
})

test('settings that are missing are named', async () => {
  const worker = await startEdge({
    ...settings('http://127.0.0.1:1'),
    ARMADA_RUNNER_TOKEN: '',
    ARMADA_ETCD: 'x',
  })
  const problem = await problemOf(await fetch(`${worker}/v1/ships/${ready}`, { headers: asAdmin }))
  assert.deepEqual([problem.status, problem.code], [500, 'internal'])
  assert.match(problem.detail, /ARMADA_ETCD must be host:port.*ARMADA_RUNNER_TOKEN is not set/)
})

test.run()
