// The audit log on two ApiServers over real stores: every change, every denial, no secret, and no flood.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { AuditStore } from '../../functions/stores/audit/audit.ts'
import { etcdKeys } from '../../functions/stores/keys.ts'
import { Mirror } from '../../functions/stores/mirror/mirror.ts'
import { answerOf } from '../../shared/api/client.ts'
import type { Log } from '../../shared/log.ts'
import { createLog } from '../../shared/log.ts'
import type { NewEntry } from '../../shared/model/auditEntry.ts'
import { type ApiServer, adminToken, runnerToken } from '../harness/apiServer.ts'
import { writeReadyShips } from '../harness/readyShips.ts'
import {
  joinHost,
  publish,
  refused,
  report,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('audit')
let servers: TwoServers

const options = { days: 1, mostMiB: 64, log: createLog('test', 'silent') }

test.before(async () => {
  servers = await startTwoServers()
  await publish(servers.a, 'arena')
})
test.after(() => servers?.stop())

type Query = Parameters<ApiServer['admin']['v1']['audit']['$get']>[0]['query']

const read = ({ admin }: ApiServer, query: Query = {}) => answerOf(admin.v1.audit.$get({ query }))

const entry = (change: Partial<NewEntry> = {}): NewEntry => ({
  at: new Date().toISOString(),
  caller: { role: 'operator', name: 'ci' },
  ...{ method: 'POST', route: '/v1/ships', path: '/v1/ships', subject: null, status: 201, code: null },
  ...{ requestId: 'r', address: '192.0.2.1', count: 1, ...change },
})

test('a change is in the log when its answer comes, on every ApiServer, with who, what and how it ended', async () => {
  const { a, b } = servers
  const response = await fetch(`${a.url}/v1/fleets?consistent=in-the-query`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${adminToken}`,
      'content-type': 'application/json',
      'x-request-id': 'made-lobby',
    },
    body: JSON.stringify({ name: 'lobby', blueprint: 'arena', replicas: 0, labels: { note: 'in-the-body' } }),
  })
  assert.equal(response.status, 201)
  const [made] = (await read(b, { limit: '1' })).entries
  assert.ok(made)
  const { id, at, ...rest } = made
  assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000, id)
  assert.deepEqual(rest, {
    caller: { role: 'admin', name: 'admin' },
    ...{ method: 'POST', route: '/v1/fleets', path: '/v1/fleets', subject: 'lobby', status: 201, code: null },
    ...{ requestId: 'made-lobby', address: '127.0.0.1', count: 1 },
  })
  const patch = a.admin.v1.fleets[':fleet'].$patch({
    param: { fleet: 'lobby' },
    json: { revision: 9 },
    header: {},
  })
  await refused(answerOf(patch), 'not_found')
  await until(async () => (await read(b, { path: '/v1/fleets/lob', limit: '5' })).entries.length === 1)
  const [tried] = (await read(b, { path: '/v1/fleets/lob', limit: '5' })).entries
  assert.deepEqual(
    [tried?.subject, tried?.status, tried?.code, tried?.route],
    ['lobby', 404, 'not_found', '/v1/fleets/:fleet'],
  )
})

test('hosts that join are in it, their reports and lookups are not, and secrets never', async () => {
  const { a, b } = servers
  const { client, credential } = await joinHost(a, 'north')
  await report(client)
  await answerOf(b.admin.v1.ships.$get({ query: {} }))
  const { entries } = await read(b, { limit: '1000' })
  const about = entries.filter(({ subject }) => subject === 'north')
  assert.deepEqual(
    about.map(({ route, caller, status }) => [route, caller?.name ?? null, status]),
    [
      ['/v1/monitor/join', null, 201],
      ['/v1/hosts/join-tokens', 'admin', 201],
    ],
  )
  assert.ok(entries.every(({ method }) => method !== 'GET'))
  assert.ok(entries.every(({ route }) => !route.includes('reports')))
  const { items } = await a.stores.kv.list(etcdKeys.audit)
  const all = items.map(({ value }) => value).join()
  for (const secret of [adminToken, runnerToken, credential, 'armada-join-', 'in-the-query', 'in-the-body'])
    assert.ok(!all.includes(secret), secret)
})

test('everybody who is turned away is in it: no token, a wrong one, a role that may not, a used join token', async () => {
  // Like denials at one server are one entry.
  const [a, b] = servers.direct
  await refused(answerOf(a.as('').v1.ships.$get({ query: {} })), 'unauthenticated')
  await refused(answerOf(a.as('wrong').v1.ships.$get({ query: {} })), 'unauthenticated')
  await refused(
    answerOf(a.runner.v1.ships[':ship'].$delete({ param: { ship: 'some-ship' }, header: {} })),
    'forbidden',
  )
  const host = {
    id: 'south',
    address: '::1',
    capacity: { cpuMillis: 1, memoryMiB: 1 },
    labels: {},
    taints: [],
  }
  const described = { ...host, ports: { from: 7000, to: 7001 }, agentVersion: 'test' }
  await refused(
    answerOf(a.as('').v1.monitor.join.$post({ json: { token: 'armada-join-old', host: described } })),
    'forbidden',
  )
  await until(async () => (await read(b, { denied: 'true' })).entries.length >= 3)
  const { entries } = await read(b, { denied: 'true' })
  const seen = entries.map(({ caller, route, code, subject }) => [caller?.name ?? null, route, code, subject])
  assert.deepEqual(seen.sort(), [
    [null, '/v1/monitor/join', 'forbidden', 'south'],
    [null, '/v1/ships', 'unauthenticated', null],
    ['runner', '/v1/ships/:ship', 'forbidden', 'some-ship'],
  ])
})

test('the log is for admins', async () => {
  const { runner, as } = servers.a
  await refused(answerOf(runner.v1.audit.$get({ query: {} })), 'forbidden')
  await refused(answerOf(as('').v1.audit.$get({ query: {} })), 'unauthenticated')
  for (const query of [{ cursor: 'x' }, { since: 'yesterday' }, { limit: '0' }])
    await refused(answerOf(servers.a.admin.v1.audit.$get({ query })), 'invalid_request')
})

test('pages meet every entry once, newest first, also while more come; filters narrow', async () => {
  const { a, b } = servers
  const since = new Date().toISOString()
  const count = 157
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      (i % 2 ? a : b).stores.audit.record(
        entry({ subject: `page-${i}`, caller: { role: 'operator', name: i % 3 ? 'paging' : 'other' } }),
      ),
    ),
  )
  const met: string[] = []
  for (let cursor: string | undefined; ; ) {
    const query = { caller: 'paging', since, limit: '10', ...(cursor && { cursor }) }
    const { entries, nextCursor } = await read(a, query)
    assert.ok(entries.length <= 10)
    met.push(...entries.map(({ id }) => id))
    await b.stores.audit.record(entry({ caller: { role: 'operator', name: 'later' } }))
    if (nextCursor === null) break
    cursor = nextCursor
  }
  assert.equal(met.length, 104)
  assert.equal(new Set(met).size, 104)
  assert.deepEqual(
    met.map((id) => id.slice(0, 13)),
    met.map((id) => id.slice(0, 13)).sort(),
  )
  assert.equal((await read(a, { subject: 'page-7' })).entries.length, 1)
  assert.equal((await read(a, { subject: 'page-7', until: since })).entries.length, 0)
  assert.equal((await read(a, { caller: 'paging', denied: 'true' })).entries.length, 0)
})

test('a flood of denials is a few entries with numbers, and none is missing from their sum', async () => {
  const { a } = servers
  const log = new AuditStore(a.stores.kv, { ...options, denialWindowMs: 300 })
  const before = (await a.stores.kv.list(etcdKeys.audit)).items.length
  const flood = 20_000
  const since = new Date().toISOString()
  for (let i = 0; i < flood; i++) {
    const address = `192.0.${(i >> 8) & 255}.${i & 255}`
    log.deny(entry({ caller: null, address, route: '/flood', status: 401, code: 'unauthenticated' }))
  }
  await log.close()
  const { entries } = await log.page({ sinceMs: Date.parse(since), denied: true }, 1_000)
  const found = entries.filter(({ route }) => route === '/flood' || route === 'various')
  assert.equal(
    found.reduce((sum, { count }) => sum + count, 0),
    flood,
  )
  assert.ok(found.length <= 65, `${found.length} entries`)
  assert.ok((await a.stores.kv.list(etcdKeys.audit)).items.length - before <= 65)
})

test('allocations are in it, those that are alike as one entry with their number', async () => {
  const { a } = servers
  await writeReadyShips({ etcd: servers.stack.etcd.address, count: 2, fleet: 'taken', hosts: 1 })
  await answerOf(a.admin.v1.allocations.$post({ json: { selectors: [{ fleet: 'taken' }] }, header: {} }))
  await until(async () => {
    const { entries } = await read(a, { path: '/v1/allocations' })
    return entries.some(({ status, caller }) => status === 201 && caller?.name === 'admin')
  })
  const log = new AuditStore(a.stores.kv, options)
  const route = '/v1/allocations'
  for (let i = 0; i < 1_000; i++) log.gather(entry({ route, path: route, requestId: `taken-${i}` }))
  await log.close()
  const found = (await log.page({ path: route, caller: 'ci' }, 100)).entries
  assert.deepEqual(found.map(({ count, requestId }) => [count, requestId]).sort(), [
    [1, 'taken-0'],
    [999, 'taken-999'],
  ])
})

test('entries that many offer at once share writes, and go by themselves', async () => {
  const { a } = servers
  const { kv } = a.stores
  const leases: number[] = []
  const counted = {
    ...kv,
    lease: (seconds: number) => {
      leases.push(seconds)
      return kv.lease(seconds)
    },
  }
  const log = new AuditStore(counted, { ...options, days: 2 })
  const before = (await kv.list(etcdKeys.audit)).items.length
  await Promise.all(Array.from({ length: 1_000 }, () => log.record(entry())))
  const batches = (await kv.list(etcdKeys.audit)).items.length - before
  assert.ok(batches <= 10, `${batches} batches`)
  assert.deepEqual(leases, [2 * 86_400 + 3_600])
})

test('past its space the oldest entries of an ApiServer go, and the newest stay', async () => {
  const { a } = servers
  const log = new AuditStore(a.stores.kv, { ...options, mostMiB: 0.25 })
  const long = { path: `/${'x'.repeat(199)}`, caller: { role: 'operator', name: 'talker' } }
  for (let i = 0; i < 30; i++)
    await Promise.all(Array.from({ length: 100 }, () => log.record(entry({ ...long, subject: `turn-${i}` }))))
  const found = async (subject: string) =>
    (await log.page({ caller: 'talker', subject }, 1_000)).entries.length
  await until(async () => (await found('turn-0')) === 0)
  assert.equal(await found('turn-29'), 100)
})

test('who floods the log loses entries of its own: those of others, and of who was turned away, stay', async () => {
  const { a } = servers
  const log = new AuditStore(a.stores.kv, { ...options, mostMiB: 0.25, denialWindowMs: 1 })
  const path = `/${'y'.repeat(199)}`
  const of = (name: string, change: Partial<NewEntry> = {}) =>
    entry({ path, caller: { role: 'operator', name }, ...change })
  await log.record(of('quiet', { subject: 'quiet-1' }))
  log.deny(of('quiet', { subject: 'denied-1', status: 403, code: 'forbidden' }))
  for (let i = 0; i < 30; i++)
    await Promise.all(Array.from({ length: 100 }, () => log.record(of('flood', { subject: `flood-${i}` }))))
  const found = async (subject: string) => (await log.page({ path, subject }, 1_000)).entries.length
  await until(async () => (await found('flood-0')) === 0)
  assert.deepEqual(await Promise.all(['quiet-1', 'denied-1', 'flood-29'].map(found)), [1, 1, 100])
  await log.close()
})

test('an entry that cannot be kept is in the log of the ApiServer, and the answer stays true', async () => {
  const { a } = servers
  const lines: [string, object][] = []
  const at = (level: string) => (fields: object) => void lines.push([level, fields])
  const log: Log = {
    ...{ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    child: () => log,
  }
  const broken = {
    ...a.stores.kv,
    commit: () => Promise.reject(new Error('etcd is away')),
  }
  await new AuditStore(broken, { ...options, log }).record(entry({ subject: 'not-kept' }))
  assert.deepEqual(
    lines.map(([level]) => level),
    ['info', 'error'],
  )
  for (const [, fields] of lines) assert.deepEqual({ ...fields, audit: true, subject: 'not-kept' }, fields)
})

test('lookups that miss nothing go on while the log is written, and no ApiServer loads the log', async () => {
  const { a, b } = servers
  const listed: string[] = []
  const { kv, ships } = b.stores
  const list = (prefix: string, revision?: number) => {
    listed.push(prefix)
    return kv.list(prefix, revision)
  }
  const mirror = new Mirror({ ...kv, list }, [ships.table], createLog('test', 'silent'))
  await mirror.open(new AbortController().signal)
  await mirror.close()
  assert.deepEqual(listed, [etcdKeys.ships])
  await Promise.all(Array.from({ length: 50 }, () => a.stores.audit.record(entry())))
  await b.stores.mirror.catchUp()
  const response = await fetch(`${b.url}/v1/ships?consistent=true`, {
    headers: { authorization: `Bearer ${adminToken}` },
  })
  assert.equal(response.status, 200)
})

test.run()
