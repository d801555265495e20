// Tokens on two ApiServers: roles, fleets, expiry, rotation, revocation, and the first one of a cluster.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { connectEtcd } from '../../functions/stores/etcd/etcd.ts'
import { answerOf, type Client } from '../../shared/api/client.ts'
import type { TokenRequest } from '../../shared/model/token.ts'
import { adminToken } from '../harness/apiServer.ts'
import { publish, refused, startTwoServers, type TwoServers } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('tokens')
let two: TwoServers

test.before(async () => {
  two = await startTwoServers()
  await publish(two.a, 'arena')
  for (const name of ['lobby-eu', 'lobby-us', 'duel']) {
    const json = { name, blueprint: 'arena', replicas: 2 }
    await answerOf(two.a.admin.v1.fleets.$post({ json }))
  }
})

test.after(() => two?.stop())

const make = (json: TokenRequest, by: Client = two.a.admin) => answerOf(by.v1.tokens.$post({ json }))
const secretOf = async (json: TokenRequest) => (await make(json)).secret
const listFleets = (client: Client) => answerOf(client.v1.fleets.$get({ query: {} }))
const param = (token: string) => ({ param: { token } })

/** Each name once for all tests of this file. */
let made = 0
const named = (role: TokenRequest['role'], more: Partial<TokenRequest> = {}): TokenRequest => ({
  name: `token-${++made}`,
  role,
  ...more,
})

test('the first admin has a token of the first ApiServer: one, once, also when many start', async () => {
  const { signal } = new AbortController()
  const texts = await Promise.all(
    [two.a, two.b, two.a, two.b].map((api) => api.stores.tokens.createFirst('first-admin', signal)),
  )
  const [text, ...others] = texts.filter((one) => one !== undefined)
  assert.equal(others.length, 0)
  const me = await answerOf(two.b.as(text ?? '').v1.whoami.$get())
  assert.deepEqual([me.name, me.role, me.fleets], ['first-admin', 'admin', null])
  await answerOf(two.a.admin.v1.tokens[':token'].$delete(param('first-admin')))
  assert.equal(await two.b.stores.tokens.createFirst('first-admin', signal), undefined)
  await shutOut(text ?? '')
})

test('made at one ApiServer it is good at the other at once; its secret is kept nowhere', async () => {
  for (let round = 0; round < 10; round++) {
    const { name, secret, role } = await make(named('viewer'))
    const me = await answerOf(two.b.as(secret).v1.whoami.$get())
    assert.deepEqual([me.name, me.role], [name, role])
    assert.match(secret, new RegExp(`^armada-token\\.${name}\\.[\\w-]{43}$`))
    const kv = connectEtcd(two.stack.etcd.address)
    const { items } = await kv.list('/armada/')
    kv.close()
    const [, , bare = ''] = secret.split('.')
    assert.ok(!items.some(({ value }) => value.includes(bare)))
  }
  const shown = JSON.stringify(await answerOf(two.a.admin.v1.tokens.$get()))
  assert.doesNotMatch(shown, /digest|secret"/)
})

test('each role may do what it says', async () => {
  const as = async (role: TokenRequest['role']) => two.a.as(await secretOf(named(role)))
  const scale = (client: Client) =>
    answerOf(
      client.v1.fleets[':fleet'].$patch({ param: { fleet: 'duel' }, json: { replicas: 2 }, header: {} }),
    )
  for (const role of ['viewer', 'allocator'] as const) {
    const client = await as(role)
    assert.equal((await listFleets(client)).fleets.length, 3)
    await refused(scale(client), 'forbidden', /it takes one of: operator, admin/)
  }
  const operator = await as('operator')
  await scale(operator)
  await refused(make(named('admin'), operator), 'forbidden')
  await refused(answerOf(operator.v1.hosts['join-tokens'].$post({ json: { host: 'x' } })), 'forbidden')
  await make(named('viewer'), await as('admin'))
})

test('what does not fit is refused, and a name is given once', async () => {
  const request = named('viewer')
  await make(request)
  await refused(make(request), 'conflict', /rotate gives it a new secret/)
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString()
  await refused(make(named('viewer', { ttlSeconds: 5, expiresAt: inAnHour })), 'invalid_request', /not both/)
  await refused(make(named('viewer', { expiresAt: '2020-01-01T00:00:00Z' })), 'invalid_request', /past/)
  await refused(make(named('viewer', { fleets: [] })), 'invalid_request')
  await refused(make(named('viewer', { fleets: ['Lobby'] })), 'invalid_request', /fleet name/)
  await refused(make({ name: 'admin', role: 'viewer' }), 'invalid_request', /of the settings/)
  await refused(answerOf(two.b.admin.v1.tokens[':token'].$get(param('nobody'))), 'not_found')
  await refused(answerOf(two.b.admin.v1.tokens[':token'].$delete(param('nobody'))), 'not_found')
  await refused(
    answerOf(two.b.admin.v1.tokens[':token'].rotate.$post({ ...param('nobody'), json: {} })),
    'not_found',
  )
})

test('an expired token is refused by all', async () => {
  const { secret, expiresAt } = await make(named('viewer', { ttlSeconds: 1 }))
  await shutOut(secret)
  assert.ok(Date.now() >= Date.parse(expiresAt ?? ''))
})

test('a revoked token is refused by all within the staleness of their memory', async () => {
  const { name, secret } = await make(named('viewer'))
  for (const api of [two.a, two.b]) assert.equal(await statusOf(api.url, secret), 200)
  await answerOf(two.a.admin.v1.tokens[':token'].$delete(param(name)))
  await shutOut(secret)
})

test('rotation: the new secret is good everywhere at once, the old one for as long as was asked', async () => {
  const { name, secret: first } = await make(named('viewer'))
  const rotate = (graceSeconds: number) =>
    answerOf(two.a.admin.v1.tokens[':token'].rotate.$post({ ...param(name), json: { graceSeconds } }))
  const { secret: second, oldSecretUntil } = await rotate(60)
  assert.ok(Math.abs(Date.parse(oldSecretUntil ?? '') - Date.now() - 60_000) < 30_000)
  for (const secret of [second, first]) assert.equal(await statusOf(two.b.url, secret), 200)
  const { secret: third } = await rotate(0)
  assert.equal(await statusOf(two.b.url, third), 200)
  for (const secret of [first, second]) await shutOut(secret)
  const { secret: fourth } = await rotate(1)
  await shutOut(third)
  assert.equal(await statusOf(two.b.url, fourth), 200)
})

test('the same Idempotency-Key shows the secret again, to whoever asked for it only', async () => {
  const request = named('viewer')
  const headers = { 'content-type': 'application/json', 'idempotency-key': 'make-it-once' }
  const body = JSON.stringify(request)
  const ask = async (token: string) => {
    const sent = { ...headers, authorization: `Bearer ${token}` }
    const response = await fetch(`${two.b.url}/v1/tokens`, { method: 'POST', headers: sent, body })
    return { status: response.status, body: await response.text() }
  }
  const first = await ask(adminToken)
  assert.equal(first.status, 201)
  assert.deepEqual(await ask(adminToken), first)
  const other = await secretOf(named('admin'))
  assert.equal((await ask(other)).status, 409)
})

test('a fleet-limited token: its fleets and their ships, in lists and alone; all else is not there', async () => {
  const all = await shipsByFleet(two.a.admin, 2)
  const secret = await secretOf(named('operator', { fleets: ['lobby-*'] }))
  const limited = two.b.as(secret)
  assert.deepEqual(
    (await listFleets(limited)).fleets.map((fleet) => fleet.name),
    ['lobby-eu', 'lobby-us'],
  )
  // Pages are of what it sees: none is short, and no cursor names a ship of others.
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const query = { limit: '2', ...(cursor && { cursor }) }
    const page = await answerOf(limited.v1.ships.$get({ query }))
    assert.ok(page.ships.length === 2 || page.nextCursor === null)
    seen.push(...page.ships.map((ship) => ship.id))
    cursor = page.nextCursor ?? undefined
  } while (cursor)
  const mine = [...(all.get('lobby-eu') ?? []), ...(all.get('lobby-us') ?? [])]
  assert.deepEqual(seen, mine.sort())

  const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
  const ask = async (path: string, method = 'GET', body?: object) => {
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) }
    const response = await fetch(two.b.url + path, init)
    const { code, detail } = (await response.json()) as { code?: string; detail?: string }
    return { status: response.status, code, detail }
  }
  const alone = all.get(null)?.[0] as string
  const others = [alone, all.get('duel')?.[0] as string]
  for (const ship of others) {
    const path = `/v1/ships/${ship}`
    const missing = await ask(`/v1/ships/${'x'.repeat(ship.length)}`)
    const answers = [
      await ask(path),
      await ask(path, 'PATCH', { labels: { a: 'b' } }),
      await ask(path, 'DELETE'),
    ]
    for (const { status, detail } of answers) {
      assert.equal(status, 404)
      assert.equal(detail, missing.detail?.replace(/x{4,}/, ship))
    }
  }
  for (const [method, body] of [['GET'], ['PATCH', { replicas: 0 }], ['DELETE']] as const) {
    const missing = await ask('/v1/fleets/nope', method, body)
    const hidden = await ask('/v1/fleets/duel', method, body)
    assert.deepEqual([hidden.status, hidden.detail], [404, missing.detail?.replaceAll('nope', 'duel')])
  }
  assert.equal((await ask('/v1/ships?fleet=duel')).status, 200)
  assert.equal((await ask(`/v1/ships/${seen[0]}`)).status, 200)
  assert.equal((await ask('/v1/fleets/lobby-eu', 'PATCH', { replicas: 2 })).status, 200)
  assert.equal((await ask('/v1/whoami')).status, 200)

  const fleet = { blueprint: 'arena', replicas: 0 }
  const named403 = await ask('/v1/fleets', 'POST', { ...fleet, name: 'arena' })
  assert.deepEqual([named403.status, named403.code], [403, 'forbidden'])
  assert.match(named403.detail ?? '', /limited to the fleets lobby-\*/)
  assert.equal((await ask('/v1/fleets', 'POST', { ...fleet, name: 'lobby-asia' })).status, 201)
  for (const [path, method, body] of [
    ['/v1/ships', 'POST', { blueprint: 'arena' }],
    ['/v1/blueprints', 'GET'],
    ['/v1/blueprints/arena', 'GET'],
    ['/v1/hosts', 'GET'],
    ['/v1/cluster', 'GET'],
    ['/metrics', 'GET'],
  ] as const) {
    const answer = await ask(path, method, body)
    assert.deepEqual([answer.status, answer.code], [403, 'forbidden'], path)
  }
  const after = await shipsByFleet(two.a.admin, 2)
  assert.deepEqual(after.get('duel'), all.get('duel'))
})

test('while etcd is away, known tokens go on looking up, and unknown ones are told to wait', async () => {
  const secret = await secretOf(named('viewer', { fleets: ['duel'] }))
  await until(async () => (await statusOf(two.b.url, secret)) === 200)
  two.stack.etcd.pause()
  try {
    const { fleets } = await listFleets(two.b.as(secret))
    assert.deepEqual(
      fleets.map((fleet) => fleet.name),
      ['duel'],
    )
    await refused(listFleets(two.b.as(`${secret}x`)), 'unavailable')
    await refused(listFleets(two.b.as('armada-token.nobody.x')), 'unavailable')
    await refused(listFleets(two.b.as('nothing-like-it')), 'unauthenticated')
  } finally {
    two.stack.etcd.resume()
  }
  await until(async () => (await statusOf(two.b.url, `${secret}x`)) === 401, 30_000)
})

async function shutOut(secret: string): Promise<void> {
  for (const { url } of [two.a, two.b]) await until(async () => (await statusOf(url, secret)) === 401)
}

async function statusOf(url: string, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(`${url}/v1/whoami`, { headers })
  await response.body?.cancel()
  return response.status
}

/** Fills the fleets up as their controller would, and makes some ships of none; then all, by fleet. */
async function shipsByFleet(admin: Client, count: number): Promise<Map<string | null, string[]>> {
  const read = async () => (await answerOf(admin.v1.ships.$get({ query: { limit: '1000' } }))).ships
  if ((await read()).length === 0) {
    await answerOf(admin.v1.ships.$post({ json: { blueprint: 'arena', count }, header: {} }))
    const { fleets } = await listFleets(admin)
    const epoch = await two.a.lead('controllers')
    for (const { name: fleet, revision } of fleets) {
      const json = { epoch, revision, create: count, stop: [], forget: false }
      await answerOf(two.a.runner.v1.fleets[':fleet'].steps.$post({ param: { fleet }, json }))
    }
  }
  const found = new Map<string | null, string[]>()
  for (const { fleet, id } of await read()) found.set(fleet, [...(found.get(fleet) ?? []), id])
  return found
}

test.run()
