// Who is not let in: every route without a token and with tokens that are no good, and one host on all of another's.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { agonesPath, grpcCodes } from '../../shared/api/agonesAllocation.ts'
import { answerOf } from '../../shared/api/client.ts'
import { sleep } from '../../shared/loop.ts'
import { runnerToken } from '../harness/apiServer.ts'
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

const test = suite('strangers')
let two: TwoServers

/** All that answers without a token. A route that comes new has to be written down here, or asks for one. */
const open = ['GET /healthz', 'GET /readyz', 'POST /v1/monitor/join', 'GET /openapi.json', 'GET /docs']

test.before(async () => {
  two = await startTwoServers()
  await publish(two.a, 'arena')
})

test.after(() => two?.stop())

interface Route {
  name: string
  method: string
  path: string
  roles: string[]
  scope: unknown
}

/** All routes of the document, with names that may exist in place of parameters. */
async function routes(named: Record<string, string> = {}): Promise<Route[]> {
  const document = (await (await fetch(`${two.a.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { 'x-roles'?: string[]; 'x-scope'?: unknown }>>
  }
  return Object.entries(document.paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${template}`,
      method: method.toUpperCase(),
      path: template.replace(/\{(\w+)\}/g, (_, parameter) => named[parameter] ?? 'nothing'),
      roles: operation['x-roles'] ?? [],
      scope: operation['x-scope'],
    })),
  )
}

async function ask({ method, path }: Route, token?: string, body: unknown = {}) {
  const headers = {
    'content-type': 'application/json',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  }
  const leaving = new AbortController()
  const init = {
    method,
    headers,
    signal: leaving.signal,
    ...(method !== 'GET' && { body: JSON.stringify(body) }),
  }
  const response = await fetch(two.a.url + path, init)
  const { status } = response
  // Streams have no end: their beginning tells.
  const text = status >= 400 ? await response.text() : ''
  leaving.abort()
  return { status, text }
}

test('without a token, nothing but what is open', async () => {
  const all = await routes()
  assert.ok(all.length >= 40, `${all.length} routes`)
  for (const route of all) {
    assert.equal(route.roles.length === 0, open.includes(route.name), route.name)
    if (open.includes(route.name)) continue
    const { status, text } = await ask(route)
    assert.equal(status, 401, route.name)
    assert.equal(JSON.parse(text).code, unauthenticated(route.path), route.name)
  }
})

/** Told in the words of whoever asks there. */
function unauthenticated(path: string): string | number {
  return path === agonesPath ? grpcCodes[401] : 'unauthenticated'
}

test('forged, truncated, expired, revoked, and of others: none is a token', async () => {
  const make = async (name: string, ttlSeconds?: number) =>
    answerOf(
      two.a.admin.v1.tokens.$post({ json: { name, role: 'admin', ...(ttlSeconds && { ttlSeconds }) } }),
    )
  const { secret } = await make('whole')
  const { secret: expired } = await make('expired', 1)
  const { secret: revoked } = await make('revoked')
  await answerOf(two.b.admin.v1.tokens[':token'].$delete({ param: { token: 'revoked' } }))
  const { token: joinToken } = await answerOf(
    two.a.admin.v1.hosts['join-tokens'].$post({ json: { host: 'anybody' } }),
  )
  const { credential } = await joinHost(two.a, 'gone')
  await answerOf(two.b.admin.v1.hosts[':host'].$delete({ param: { host: 'gone' }, query: {} }))
  const [kind = '', name = '', bare = ''] = secret.split('.')
  const digest = two.a.stores.tokens.table.get('whole')?.value.digest ?? ''
  const bad: Record<string, string> = {
    truncated: secret.slice(0, -1),
    longer: `${secret}x`,
    'with more parts': `${secret}.x`,
    'the secret of another name': `${kind}.expired.${bare}`,
    'of a name that is unknown': `${kind}.nobody.${bare}`,
    'its digest': `${kind}.${name}.${digest}`,
    'without a secret': `${kind}.${name}.`,
    'the name alone': `${kind}.${name}`,
    'a name that is a path': `${kind}.../hosts/a.${bare}`,
    'as of a host': `armada-host.${name}.${bare}`,
    'a join token': joinToken,
    'a credential of a host that was removed': credential,
    revoked,
    expired,
    empty: '',
  }
  await until(async () => {
    const [route] = await routes()
    const statuses = await Promise.all(
      [expired, revoked, credential].map(async (one) => ask(route as Route, one)),
    )
    return statuses.every(({ status }) => status === 401)
  })
  const all = (await routes()).filter((route) => !open.includes(route.name))
  for (const [what, token] of Object.entries(bad)) {
    for (const route of what === 'truncated' ? all : all.slice(0, 3))
      assert.equal((await ask(route, token)).status, 401, `${what}: ${route.name}`)
  }
  const one = all.find((route) => route.name === 'GET /v1/whoami') as Route
  assert.equal((await ask(one, secret)).status, 200)
  for (const header of [`Basic ${secret}`, secret, `Bearer  ${secret}`, `Bearer ${secret} x`]) {
    const response = await fetch(two.a.url + one.path, { headers: { authorization: header } })
    assert.equal(response.status, 401, header)
  }
  const lowerCase = await fetch(two.a.url + one.path, { headers: { authorization: `bearer ${secret}` } })
  assert.equal(lowerCase.status, 200)
})

test('a join token joins once, one host, in time', async () => {
  const tokens = two.a.admin.v1.hosts['join-tokens']
  const { token } = await answerOf(tokens.$post({ json: { host: 'once' } }))
  const join = (api: TwoServers['a'], id: string) =>
    answerOf(api.as('').v1.monitor.join.$post({ json: { token, host: describeHost(id) } }))
  await refused(join(two.a, 'other'), 'forbidden')
  const both = await Promise.allSettled([join(two.a, 'once'), join(two.b, 'once')])
  assert.equal(both.filter(({ status }) => status === 'fulfilled').length, 1)
  await refused(join(two.b, 'once'), 'forbidden', /was used, has expired/)
})

test('a body is not read before the caller is known', async () => {
  let sent = 0
  const body = new ReadableStream({
    // It has no end; but a client whose connection was closed takes from it for ever, and keeps all that.
    pull: (stream) => (sent++ < 512 ? stream.enqueue(Buffer.alloc(65_536)) : sleep(60_000)),
  })
  const init = { method: 'POST', body, duplex: 'half' } as RequestInit
  // An answer, or a connection that is closed while we still send: never a wait for the end of the body.
  // Of a server itself: the balancer of the tests reads bodies whole.
  const status = await fetch(`${two.direct[0].url}/v1/ships`, init).then(
    (response) => response.status,
    () => 401,
  )
  assert.equal(status, 401)
})

test("one host's credential on every route: another's records stay as they are", async () => {
  const [one, other] = await Promise.all([joinHost(two.a, 'host-one'), joinHost(two.b, 'host-other')])
  const [ready = '', claimed = ''] = [
    ...(await boardShips(two.a, other.client, 1)),
    ...(await boardShips(two.a, other.client, 1, false)),
  ]
  const holding = { ship: ready, attempt: 1, ports: [], resources: { cpuMillis: 100, memoryMiB: 100 } }
  const sample = { ship: ready, players: 3, maxPlayers: 16, map: 'dm1', cpuMillis: 1, memoryMiB: 1 }
  const load = { cpuMillis: 10, memoryMiB: 10, load1: 0, diskFreeMiB: null, degraded: null }
  const reports = { changes: [], holdings: [], host: load, ships: [sample] }
  await answerOf(other.client.v1.monitor.reports.$post({ json: reports }))

  const seen = async () => {
    const { lastReportAt, ...host } = await answerOf(
      two.a.admin.v1.hosts[':host'].$get({ param: { host: 'host-other' } }),
    )
    const { ships } = await answerOf(two.a.admin.v1.ships.$get({ query: { host: 'host-other' } }))
    const record = (await two.a.stores.hosts.read('host-other'))?.value
    return { host, ships, record, lastReportAt }
  }
  const before = await seen()
  assert.deepEqual(before.ships.map((ship) => ship.id).sort(), [ready, claimed].sort())

  const exit = { code: 0, oomKilled: false, logTail: [], at: new Date().toISOString() }
  const of = (ship: string) => ({ ship, attempt: 1 })
  const states = ['Ready', 'Unhealthy', 'Stopped', 'Failed', 'Returned'] as const
  const bodies: Record<string, object[]> = {
    'POST /v1/monitor/hello': [
      { host: describeHost('host-other', { address: '6.6.6.6' }), ships: [] },
      { host: describeHost('host-one'), ships: [of(ready), of(claimed)] },
    ],
    'POST /v1/monitor/claims': [
      { claims: [ready, claimed].map((ship) => ({ ...of(ship), ports: { game: 7_009 } })) },
    ],
    'POST /v1/monitor/reports': [
      ...[ready, claimed].flatMap((ship) =>
        states.map((state) => ({
          ...reports,
          changes: [
            {
              ...of(ship),
              state,
              ...(state !== 'Ready' && { reason: 'by a stranger' }),
              ...(['Stopped', 'Failed', 'Returned'].includes(state) && { exit }),
              ...(state === 'Returned' && { fault: true }),
            },
          ],
          ships: [{ ...sample, players: 16 }],
        })),
      ),
      { ...reports, holdings: [holding], host: { ...load, degraded: 'by a stranger' } },
    ],
    'POST /v1/monitor/join': [{ token: one.credential, host: describeHost('host-other') }],
  }
  let monitored = 0
  for (const route of await routes({ host: 'host-other', ship: ready, fleet: 'lobby', token: 'whole' })) {
    if (open.includes(route.name) && !bodies[route.name]) continue
    if (!route.path.startsWith('/v1/monitor/')) {
      const { status } = await ask(route, one.credential)
      assert.equal(status, 403, route.name)
      continue
    }
    monitored++
    for (const body of bodies[route.name] ?? [{}]) await ask(route, one.credential, body)
  }
  assert.ok(monitored >= 6, `${monitored} routes of the monitor`)
  await refused(
    answerOf(one.client.v1.monitor.hello.$post({ json: { host: describeHost('host-other'), ships: [] } })),
    'forbidden',
    /cannot speak for "host-other"/,
  )
  const claims = [ready, claimed].map((ship) => ({ ...of(ship), ports: {} }))
  const { granted, refused: no } = await answerOf(one.client.v1.monitor.claims.$post({ json: { claims } }))
  assert.deepEqual([granted.length, no.length], [0, 2])
  const hello = { host: describeHost('host-one'), ships: [of(ready)] }
  assert.deepEqual((await answerOf(one.client.v1.monitor.hello.$post({ json: hello }))).wanted, [])

  assert.deepEqual(await seen(), before)
  const { ships } = await answerOf(
    other.client.v1.monitor.hello.$post({
      json: { host: describeHost('host-other'), ships: [of(ready), of(claimed)] },
    }),
  ).then(({ wanted, strays }) => ({ ships: wanted.map((grant) => grant.ship), strays }))
  assert.deepEqual(ships.sort(), [ready, claimed].sort())
})

test('a limited token is refused wherever no route says what it may see', async () => {
  const json = { name: 'narrow', role: 'admin', fleets: ['lobby-*'] } as const
  const { secret } = await answerOf(
    two.a.admin.v1.tokens.$post({ json: { ...json, fleets: [...json.fleets] } }),
  )
  const open403: string[] = []
  for (const route of await routes()) {
    if (route.roles.length === 0) continue
    assert.ok([undefined, 'fleet', 'self'].includes(route.scope as string), `${route.name}: ${route.scope}`)
    const { status } = await ask(route, secret)
    if (route.scope === undefined) assert.equal(status, 403, route.name)
    else if (status === 403) open403.push(route.name)
  }
  assert.deepEqual(open403, [])
})

test('runners and hosts have no token of people: they see all, and whoami says who they are', async () => {
  const me = await answerOf(two.a.as(runnerToken).v1.whoami.$get())
  assert.deepEqual([me.name, me.role, me.fleets, me.expiresAt], ['runner', 'runner', null, null])
})

test.run()
