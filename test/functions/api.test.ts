// The API on two ApiServers behind an alternating load balancer, over real stores: create, look up, claim, report, scale, refuse.
import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import { suite } from 'uvu'
import { answerOf } from '../../shared/api/client.ts'
import type { ApiServer } from '../harness/apiServer.ts'
import {
  describeHost,
  publish as publishOn,
  refused,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'

const test = suite('api')
let servers: TwoServers
let a: ApiServer
let b: ApiServer

async function joinHost(id: string) {
  const { token } = await answerOf(a.admin.v1.hosts['join-tokens'].$post({ json: { host: id } }))
  const { credential } = await answerOf(
    b.as('').v1.monitor.join.$post({ json: { token, host: describeHost(id) } }),
  )
  return { token, client: b.as(credential) }
}

const publish = (name: string, spec: object = {}) => publishOn(a, name, spec)

const createShips = (api: ApiServer, count: number, key?: string, blueprint = 'arena') =>
  answerOf(
    api.admin.v1.ships.$post({ json: { blueprint, count }, header: key ? { 'idempotency-key': key } : {} }),
  )

test.before(async () => {
  servers = await startTwoServers()
  ;({ a, b } = servers)
  await publish('arena')
})

test.after(() => servers?.stop())

test('a blueprint: the same spec makes no revision, a change makes the next, and a number is never used twice', async () => {
  const first = await publish('duel')
  assert.equal(first.revision, 1)
  assert.equal((await publish('duel')).revision, 1)
  assert.equal((await publish('duel', { env: { MAP: 'dm2' } })).revision, 2)
  const { revisions } = await answerOf(
    b.admin.v1.blueprints[':blueprint'].revisions.$get({ param: { blueprint: 'duel' } }),
  )
  assert.deepEqual(
    revisions.map((one) => one.revision),
    [1, 2],
  )
  await answerOf(b.admin.v1.blueprints[':blueprint'].$delete({ param: { blueprint: 'duel' } }))
  await refused(
    answerOf(a.admin.v1.blueprints[':blueprint'].$get({ param: { blueprint: 'duel' }, query: {} })),
    'not_found',
  )
  assert.equal((await publish('duel')).revision, 3)
  for (const api of [a, b]) {
    const old = api.admin.v1.blueprints[':blueprint'].$get({
      param: { blueprint: 'duel' },
      query: { revision: '1' },
    })
    await refused(answerOf(old), 'not_found', /no revision 1/)
  }
})

test('an emptied Redis is refilled from etcd', async () => {
  await a.stores.blueprints.refill()
  const redis = new Redis(servers.stack.redis.address)
  await redis.flushall()
  const { ships } = await createShips(b, 1)
  assert.equal(ships[0]?.blueprint.name, 'arena')
  redis.disconnect()
})

test('ships are made on one server and found on the other', async () => {
  const { ships } = await createShips(a, 3)
  for (const ship of ships) {
    const found = await answerOf(b.admin.v1.ships[':ship'].$get({ param: { ship: ship.id } }))
    assert.equal(found.state, 'Queued')
    assert.equal(found.attempt, 1)
  }
})

test('ten POSTs in parallel with one key, over two servers, make one set of ships', async () => {
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) => createShips(i % 2 ? a : b, 5, 'same-key')),
  )
  const ids = new Set(answers.flatMap(({ ships }) => ships.map((ship) => ship.id)))
  assert.equal(ids.size, 5)
  await refused(createShips(a, 4, 'same-key'), 'key_reused')
})

test('pages of ships are whole and in order', async () => {
  await createShips(a, 250)
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const page = await answerOf(b.admin.v1.ships.$get({ query: { limit: '60', ...(cursor && { cursor }) } }))
    seen.push(...page.ships.map((ship) => ship.id))
    cursor = page.nextCursor ?? undefined
  } while (cursor)
  assert.ok(seen.length >= 250)
  assert.deepEqual(seen, [...new Set(seen)].sort())
})

test('a claim is granted once: to the host that asks first, and to it again', async () => {
  const [one, two] = await Promise.all([joinHost('host-one'), joinHost('host-two')])
  const { ships } = await createShips(a, 1)
  const ship = ships[0]?.id as string
  const claims = [{ ship, attempt: 1, ports: { game: 7001 } }]
  const answers = await Promise.all(
    [one, two].map(({ client }) => answerOf(client.v1.monitor.claims.$post({ json: { claims } }))),
  )
  const granted = answers.map((answer) => answer.granted.length)
  assert.deepEqual([...granted].sort(), [0, 1])
  const [winner, loser] = granted[0] ? [one, two] : [two, one]
  const again = await answerOf(winner.client.v1.monitor.claims.$post({ json: { claims } }))
  assert.equal(again.granted[0]?.ports[0]?.hostPort, 7001)
  const stale = await answerOf(
    loser.client.v1.monitor.reports.$post({
      json: { changes: [{ ship, attempt: 1, state: 'Ready' }], holdings: null, host: null, ships: [] },
    }),
  )
  assert.deepEqual(stale.stale, [{ ship, attempt: 1 }])
  const ready = await answerOf(
    winner.client.v1.monitor.reports.$post({
      json: { changes: [{ ship, attempt: 1, state: 'Ready' }], holdings: [], host: null, ships: [] },
    }),
  )
  assert.deepEqual(ready, { stale: [], resendHoldings: false, resendPulls: false, pulls: [] })
  const found = await answerOf(a.admin.v1.ships[':ship'].$get({ param: { ship } }))
  assert.equal(found.state, 'Ready')
  assert.equal(found.address, '127.0.0.1')
})

test('starts that fail are tried again elsewhere, ever later, and end in Failed with the reason', async () => {
  const { client } = await joinHost('host-bad')
  await publish('crasher', { lifecycle: { startAttempts: 3 } })
  const { ships } = await createShips(a, 1, undefined, 'crasher')
  const ship = ships[0]?.id as string
  for (let attempt = 1; attempt <= 3; attempt++) {
    await answerOf(client.v1.monitor.claims.$post({ json: { claims: [{ ship, attempt, ports: {} }] } }))
    const change = {
      ship,
      attempt,
      state: 'Returned' as const,
      reason: 'image game:1 is not here',
      fault: true,
      exit: null,
    }
    await answerOf(
      client.v1.monitor.reports.$post({ json: { changes: [change], holdings: null, host: null, ships: [] } }),
    )
    const found = await answerOf(a.admin.v1.ships[':ship'].$get({ param: { ship } }))
    assert.equal(found.state, attempt < 3 ? 'Queued' : 'Failed')
    if (attempt < 3) assert.deepEqual(found.avoidHosts, ['host-bad'])
    assert.match(found.reason ?? '', /image game:1 is not here/)
  }
})

test('a leader of an older epoch is refused, and so is an epoch that nobody was given', async () => {
  const older = await a.lead('scheduler')
  const epoch = await b.lead('scheduler')
  assert.ok(epoch > older)
  const { ships } = await createShips(a, 1)
  const ship = ships[0]?.id as string
  const report = (at: number, host: string) => ({
    epoch: at,
    placed: [{ ship, attempt: 1, host, ports: { game: 7002 } }],
    refused: [],
    waiting: [],
  })
  await answerOf(a.runner.v1.placements.$post({ json: report(epoch, 'host-new') }))
  for (const wrong of [older, epoch + 1, Number.MAX_SAFE_INTEGER]) {
    const json = report(wrong, 'host-old')
    await refused(answerOf(b.runner.v1.placements.$post({ json })), 'stale_epoch')
  }
  assert.equal((await answerOf(b.admin.v1.ships[':ship'].$get({ param: { ship } }))).host, 'host-new')
})

test('a fleet is made once; a step decided on an old picture is refused', async () => {
  const request = { json: { name: 'lobby', blueprint: 'arena', replicas: 3 } }
  const [first, second] = await Promise.all([
    answerOf(a.admin.v1.fleets.$post(request)),
    answerOf(b.admin.v1.fleets.$post(request)),
  ])
  assert.equal(first.revision, second.revision)
  const epoch = await a.lead('controllers')
  const step = { epoch, revision: first.revision, create: 3, stop: [], forget: false }
  const outcomes = await Promise.allSettled(
    [a, b].map((api) =>
      answerOf(api.runner.v1.fleets[':fleet'].steps.$post({ param: { fleet: 'lobby' }, json: step })),
    ),
  )
  assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1)
  const fleet = await answerOf(a.admin.v1.fleets[':fleet'].$get({ param: { fleet: 'lobby' } }))
  assert.equal(fleet.ships.Queued, 3)
  await refused(
    answerOf(
      a.admin.v1.fleets[':fleet'].$patch({
        param: { fleet: 'lobby' },
        header: { 'if-match': first.revision },
        json: { replicas: 9 },
      }),
    ),
    'revision_mismatch',
  )
  await refused(
    answerOf(a.admin.v1.fleets.$post({ json: { ...request.json, replicas: 4 } })),
    'conflict',
    /PATCH/,
  )
})

test('one host cannot speak for another, and people cannot speak for hosts', async () => {
  const { client, token } = await joinHost('host-three')
  await refused(
    answerOf(client.v1.monitor.hello.$post({ json: { host: describeHost('host-one'), ships: [] } })),
    'forbidden',
  )
  await refused(answerOf(client.v1.ships.$get({ query: {} })), 'forbidden')
  await refused(
    answerOf(a.admin.v1.monitor.hello.$post({ json: { host: describeHost('host-one'), ships: [] } })),
    'forbidden',
  )
  await refused(
    answerOf(a.as('').v1.monitor.join.$post({ json: { token, host: describeHost('host-three') } })),
    'forbidden',
    /used/,
  )
  await refused(
    answerOf(a.as('armada-host.host-three.forged').v1.monitor.claims.$post({ json: { claims: [] } })),
    'unauthenticated',
  )
  await refused(
    answerOf(a.as('armada-host.host-three').v1.monitor.claims.$post({ json: { claims: [] } })),
    'unauthenticated',
  )
})

test('a person is told what is wrong and what to do', async () => {
  await refused(createShips(a, 1, undefined, 'nothing'), 'not_found', /PUT \/v1\/blueprints\/nothing/)
  await refused(
    publish('bad', { probe: { type: 'tcp', port: 'web' } }),
    'invalid_request',
    /no port "web"; its ports are game/,
  )
  await refused(
    publish('bad', { probe: { type: 'query', port: 'game', game: 'chess' } }),
    'invalid_request',
    /chess/,
  )
  await refused(publish('bad', { probe: { type: 'tcp', port: 'game' } }), 'invalid_request', /is udp/)
  await refused(publish('bad', { colour: 'red' }), 'invalid_request', /colour/)
  const headers = { authorization: 'Bearer test-admin-token-0123456789', 'content-type': 'application/json' }
  const raw = async (path: string, init: object) => {
    const response = await fetch(a.url + path, { headers, ...init })
    return {
      status: response.status,
      body: (await response.json()) as { code: string; detail: string },
      type: response.headers.get('content-type'),
    }
  }
  const broken = await raw('/v1/ships', { method: 'POST', body: '{"blueprint": ' })
  assert.deepEqual(
    [broken.status, broken.body.code, broken.type],
    [400, 'malformed_json', 'application/problem+json'],
  )
  assert.equal(
    (await raw('/v1/ships', { method: 'POST', body: 'x'.repeat(3_000_000) })).body.code,
    'body_too_large',
  )
  assert.equal(
    (
      await raw('/v1/ships', {
        method: 'POST',
        body: 'a=1',
        headers: { ...headers, 'content-type': 'text/plain' },
      })
    ).status >= 400,
    true,
  )
  for (const id of ['..', '%2e%2e%2f', '%00', 'A', 'x'.repeat(4_000), 'ä']) {
    const hostile = await raw(`/v1/ships/${id}`, {})
    assert.ok([400, 404].includes(hostile.status), `${id}: ${hostile.status}`)
  }
  assert.equal((await raw('/v1/nowhere', {})).body.code, 'not_found')
  assert.equal((await raw('/v1/ships', { headers: {} })).body.code, 'unauthenticated')
})

test('whoever deletes a ship or a fleet that has changed meanwhile is told so, and nothing happens', async () => {
  const [ship] = (await createShips(a, 1)).ships
  assert.ok(ship)
  const header = { 'if-match': '"1"' }
  const gone = { param: { ship: ship.id }, header }
  await refused(answerOf(b.admin.v1.ships[':ship'].$delete(gone)), 'revision_mismatch')
  const json = { name: 'kept', blueprint: 'arena', replicas: 0 }
  const { revision } = await answerOf(a.admin.v1.fleets.$post({ json }))
  const param = { fleet: 'kept' }
  await refused(answerOf(b.admin.v1.fleets[':fleet'].$delete({ param, header })), 'revision_mismatch')
  const right = { 'if-match': revision }
  assert.equal((await answerOf(b.admin.v1.fleets[':fleet'].$delete({ param, header: right }))).deleting, true)
})

test('deleting: a Queued ship is Stopped at once, a running one is Stopping until its host says so', async () => {
  const { client } = await joinHost('host-four')
  const { ships } = await createShips(a, 2)
  const [queued, running] = ships.map((ship) => ship.id) as [string, string]
  assert.equal(
    (await answerOf(b.admin.v1.ships[':ship'].$delete({ param: { ship: queued }, header: {} }))).state,
    'Stopped',
  )
  await answerOf(
    client.v1.monitor.claims.$post({ json: { claims: [{ ship: running, attempt: 1, ports: {} }] } }),
  )
  assert.equal(
    (await answerOf(b.admin.v1.ships[':ship'].$delete({ param: { ship: running }, header: {} }))).state,
    'Stopping',
  )
  const hello = await answerOf(
    client.v1.monitor.hello.$post({
      json: {
        host: describeHost('host-four'),
        ships: [
          { ship: queued, attempt: 1 },
          { ship: running, attempt: 1 },
        ],
      },
    }),
  )
  assert.deepEqual(
    hello.wanted.map((grant) => [grant.ship, grant.state]),
    [[running, 'Stopping']],
  )
  assert.deepEqual(hello.strays, [{ ship: queued, attempt: 1 }])
  const exit = { code: 137, oomKilled: false, logTail: ['bye'], at: new Date().toISOString() }
  const change = { ship: running, attempt: 1, state: 'Failed' as const, reason: 'killed', exit }
  await answerOf(
    client.v1.monitor.reports.$post({ json: { changes: [change], holdings: null, host: null, ships: [] } }),
  )
  const ended = await answerOf(a.admin.v1.ships[':ship'].$get({ param: { ship: running } }))
  assert.deepEqual([ended.state, ended.exit?.logTail], ['Stopped', ['bye']])
})

test('a blueprint that is deleted beside a POST: the ship or the blueprint stays, never an orphan', async () => {
  for (let round = 0; round < 15; round++) {
    const name = `fleeting-${round}`
    await publish(name)
    const [made, deleted] = await Promise.allSettled([
      createShips(a, 1, undefined, name),
      answerOf(b.admin.v1.blueprints[':blueprint'].$delete({ param: { blueprint: name } })),
    ])
    assert.ok(made.status === 'rejected' || deleted.status === 'rejected', `both succeeded in round ${round}`)
  }
})

test('many ships that end at once with all their last lines fit into their reports', async () => {
  const { client } = await joinHost('host-loud')
  const { ships } = await createShips(a, 90)
  const claims = ships.map((ship) => ({ ship: ship.id, attempt: 1, ports: {} }))
  await answerOf(client.v1.monitor.claims.$post({ json: { claims } }))
  const logTail = Array.from({ length: 20 }, () => 'x'.repeat(1_000))
  const exit = { code: 1, oomKilled: false, logTail, at: new Date().toISOString() }
  const changes = ships.map((ship) => ({
    ship: ship.id,
    attempt: 1,
    state: 'Stopped' as const,
    reason: 'over',
    exit,
  }))
  await answerOf(
    client.v1.monitor.reports.$post({ json: { changes, holdings: null, host: null, ships: [] } }),
  )
  const found = await answerOf(b.admin.v1.ships[':ship'].$get({ param: { ship: ships[89]?.id ?? '' } }))
  assert.equal(found.state, 'Stopped')
})

test('a ship that was not claimed in time tries another host first', async () => {
  const { ships } = await createShips(a, 1)
  const ship = ships[0]?.id as string
  const epoch = await a.lead('scheduler')
  const placed = [{ ship, attempt: 1, host: 'host-silent', ports: {} }]
  await answerOf(a.runner.v1.placements.$post({ json: { epoch, placed, refused: [], waiting: [] } }))
  const decisions = [{ ship, attempt: 1, to: 'Queued' as const, reason: 'not claimed in time' }]
  const json = { epoch: await b.lead('controllers'), decisions }
  await answerOf(b.runner.v1.controllers.decisions.$post({ json }))
  const found = await answerOf(a.admin.v1.ships[':ship'].$get({ param: { ship } }))
  assert.deepEqual([found.state, found.attempt, found.avoidHosts], ['Queued', 2, ['host-silent']])
})

test('health names the stores; the API document lists every route', async () => {
  assert.deepEqual(await (await fetch(`${a.url}/healthz`)).json(), { status: 'ok' })
  const ready = (await (await fetch(`${a.url}/readyz`)).json()) as { ready: boolean; stores: object }
  assert.equal(ready.ready, true)
  assert.deepEqual(Object.keys(ready.stores), ['etcd', 'redis', 'zookeeper'])
  const document = (await (await fetch(`${a.url}/openapi.json`)).json()) as {
    paths: Record<string, object>
    components: { schemas: Record<string, object> }
  }
  assert.ok(Object.keys(document.paths).length >= 20)
  assert.ok(document.paths['/v1/ships/{ship}'])
  for (const name of ['Ship', 'Fleet', 'Host', 'Blueprint', 'BlueprintSpec', 'Problem'])
    assert.ok(document.components.schemas[name], name)
})

test.run()
