// Rate limits: of a token, and of an address that sends wrong ones.
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { Hono } from 'hono'
import { suite } from 'uvu'
import { authenticate, type Env } from '../../functions/middleware/authenticate.ts'
import { Buckets } from '../../functions/middleware/bucket.ts'
import { Callers } from '../../functions/middleware/callers.ts'
import { onError } from '../../functions/middleware/problems.ts'
import { FailedLogins, limitRates } from '../../functions/middleware/rates.ts'
import { Identities } from '../../functions/stores/identities.ts'
import { scratchDir } from '../../infra/stack/scratch.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import type { Token } from '../../shared/model/token.ts'
import { type ApiServer, startApiServer } from '../harness/apiServer.ts'
import { describeHost, refused } from '../harness/twoServers.ts'

const test = suite('rates')
const log = createLog('test', 'silent')
let scratch: Awaited<ReturnType<typeof scratchDir>>
let stack: Stack
let api: ApiServer

test.before(async () => {
  scratch = await scratchDir()
  stack = await startStack({ dir: scratch.dir, profile: 'fast', log })
  api = await startApiServer(stack, { failedLoginsPerMinute: 6 })
})
test.after(async () => {
  await api?.close()
  await stack?.stop()
  await scratch?.remove()
})

test('a bucket lets the burst through at once, then its rate, whatever the pattern', () => {
  const rate = fc.record({
    perSecond: fc.integer({ min: 1, max: 100_000 }).map((tenths) => tenths / 10),
    burst: fc.integer({ min: 1, max: 200 }),
  })
  const pauses = fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 300 })
  fc.assert(
    fc.property(rate, pauses, (rate, pausesMs) => {
      const buckets = new Buckets()
      const taken: number[] = []
      let nowMs = 1
      for (const pauseMs of pausesMs) {
        nowMs += pauseMs
        const waitMs = buckets.take('key', rate, nowMs)
        if (waitMs === 0) taken.push(nowMs)
        else assert.equal(buckets.waitMs('key', rate, nowMs + waitMs + 1e-6), 0)
      }
      for (const [first, since] of taken.entries()) {
        for (const [i, at] of taken.slice(first).entries())
          assert.ok(i + 1 <= rate.burst + ((at - since) * rate.perSecond) / 1_000 + 1e-6)
      }
      assert.ok(taken.length >= Math.min(pausesMs.length, rate.burst))
    }),
  )
})

test('no one of a burst is refused for what sums of times are off by', () => {
  const buckets = new Buckets()
  const rate = { perSecond: 1_055.2, burst: 2 }
  assert.deepEqual([buckets.take('key', rate, 1), buckets.take('key', rate, 1)], [0, 0])
  assert.ok(buckets.take('key', rate, 1) > 0.9)
})

test('keys do not share a bucket, and a bounded number is remembered', () => {
  const buckets = new Buckets(2)
  const rate = { perSecond: 1, burst: 1 }
  assert.equal(buckets.take('a', rate, 0), 0)
  assert.equal(buckets.take('b', rate, 0), 0)
  assert.equal(buckets.take('a', rate, 0), 1_000)
  assert.equal(buckets.take('c', rate, 0), 0)
  assert.equal(buckets.take('a', rate, 0), 0)
})

test('a token past its rate gets 429 and when to come again; others are not held up', async () => {
  const app = new Hono<Env>()
  app.onError(onError(log))
  const token = (name: string, burst: number | null): Token => ({
    ...{ name, role: 'viewer', fleets: null, expiresAt: null, quota: null },
    rate: burst === null ? null : { perSecond: 0.1, burst },
    createdAt: new Date().toISOString(),
  })
  const tokens = new Map(
    [token('slow', 3), token('other', 1), token('free', null)].map((one) => [one.name, one]),
  )
  app.use(async (c, next) => {
    const known = tokens.get(c.req.header('x-token') ?? '')
    if (known) c.set('caller', { role: known.role, name: known.name, token: known })
    await next()
  })
  app.use(limitRates(new FailedLogins(1)))
  app.get('/', (c) => c.text('well'))
  const ask = (name: string) => app.request('/', { headers: { 'x-token': name } })
  const statuses: number[] = []
  for (let i = 0; i < 5; i++) statuses.push((await ask('slow')).status)
  assert.deepEqual(statuses, [200, 200, 200, 429, 429])
  const refusal = await ask('slow')
  const seconds = Number(refusal.headers.get('retry-after'))
  assert.ok(seconds > 5 && seconds <= 10, `${seconds} s`)
  assert.match(await refusal.text(), /"rate_limited"/)
  assert.equal((await ask('other')).status, 200)
  for (let i = 0; i < 50; i++) assert.equal((await ask('free')).status, 200)
})

test('an address that sends wrong tokens is slowed down, and good tokens from there are not', async () => {
  for (let i = 0; i < 6; i++)
    await refused(answerOf(api.as(`wrong-${i}`).v1.ships.$get({ query: {} })), 'unauthenticated')
  const response = await fetch(`${api.url}/v1/ships`, { headers: { authorization: 'Bearer wrong' } })
  assert.equal(response.status, 429)
  assert.ok(Number(response.headers.get('retry-after')) > 0)
  await response.text()
  await answerOf(api.admin.v1.ships.$get({ query: {} }))
  const json = { token: 'armada-join-guessed', host: describeHost('guess') }
  await refused(answerOf(api.as('').v1.monitor.join.$post({ json })), 'rate_limited', /wrong tokens/)
  await refused(answerOf(api.as('').v1.ships.$get({ query: {} })), 'unauthenticated')
})

test('past that an address has etcd asked nothing about what it shows, and a token of memory is let in', async () => {
  const asked: string[] = []
  const { kv, hosts, tokens } = api.stores
  const counting = {
    ...kv,
    get: (key: string) => {
      asked.push(key)
      return kv.get(key)
    },
  }
  const { secret } = await answerOf(api.admin.v1.tokens.$post({ json: { name: 'known', role: 'viewer' } }))
  const logins = new FailedLogins(5)
  const app = new Hono<Env>()
  app.onError(onError(log))
  const identities = new Identities(counting, hosts, tokens)
  const callers = new Callers({ runnerToken: 'r'.repeat(16), identities })
  app.use(authenticate(callers, logins.assertMayTry), limitRates(logins))
  app.get('/', (c) => (c.get('caller') ? c.text('well') : c.text('who?', 401)))
  const ask = async (token: string) =>
    (await app.request('/', { headers: { authorization: `Bearer ${token}` } })).status
  const statuses: number[] = []
  for (let i = 0; i < 50; i++)
    statuses.push(await ask(`armada-${i % 2 ? 'host' : 'token'}.no-${i}.${'s'.repeat(43)}`))
  assert.deepEqual(new Set(statuses.slice(0, 5)), new Set([401]))
  assert.ok(statuses.filter((status) => status === 429).length >= 40, `${statuses}`)
  assert.ok(asked.length <= 10, `etcd was asked ${asked.length} times`)
  assert.equal(await ask(secret), 200)
})

test('health is told to everybody, whatever they show', async () => {
  for (let i = 0; i < 20; i++) {
    for (const path of ['/healthz', '/readyz', '/openapi.json']) {
      const response = await fetch(api.url + path, { headers: { authorization: `Bearer wrong-${i}` } })
      assert.equal(response.status, 200, path)
      await response.text()
    }
  }
})

test('a token that admins gave a rate is held to it by the API', async () => {
  const json = { name: 'paced', role: 'viewer' as const, rate: { perSecond: 0.1, burst: 2 } }
  const { secret } = await answerOf(api.admin.v1.tokens.$post({ json }))
  const look = () => answerOf(api.as(secret).v1.fleets.$get({ query: {} }))
  await look()
  await look()
  await refused(look(), 'rate_limited', /Token "paced" may send 0.1 requests a second/)
})

test('what was slowed down is in the audit log', async () => {
  const { entries } = await answerOf(api.admin.v1.audit.$get({ query: { denied: 'true' } }))
  const codes = new Set(entries.map(({ code }) => code))
  assert.deepEqual([...codes].sort(), ['rate_limited', 'unauthenticated'])
})

test.run()
