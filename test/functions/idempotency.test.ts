// Idempotency-Key on every POST, on two ApiServers over real stores: one effect, one answer, whatever fails.
import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import { suite } from 'uvu'
import { AnswerStore } from '../../functions/stores/answers.ts'
import { type ApiServer, adminToken, runnerToken } from '../harness/apiServer.ts'
import { joinHost, publish, startTwoServers, type TwoServers } from '../harness/twoServers.ts'

const test = suite('idempotency')
let servers: TwoServers
let keys = 0

test.before(async () => {
  servers = await startTwoServers()
  await publish(servers.a, 'arena')
})
test.after(() => servers?.stop())

async function post(api: ApiServer, path: string, body: unknown, key: string, token = adminToken) {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'idempotency-key': key,
  }
  const response = await fetch(api.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  const replayed = response.headers.get('idempotency-replayed')
  const text = await response.text()
  return { status: response.status, replayed, text, code: JSON.parse(text).code as string | undefined }
}

const nextKey = () => `key-${keys++}`

test('twenty at once over two servers: one answer, byte for byte, on every kind of POST', async () => {
  const { a, b } = servers
  await joinHost(a, 'north')
  const requests: [string, unknown][] = [
    ['/v1/ships', { blueprint: 'arena', count: 3 }],
    ['/v1/fleets', { name: 'lobby', blueprint: 'arena', replicas: 1 }],
    ['/v1/hosts/join-tokens', { host: 'south' }],
    ['/v1/hosts/north/drain', { deadlineSeconds: 60 }],
    ['/v1/hosts/north/uncordon', {}],
    ['/v1/blueprints/arena/rollback', { revision: 1 }],
  ]
  for (const [path, body] of requests) {
    const key = nextKey()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => post(i % 2 ? a : b, path, body, key)),
    )
    assert.equal(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1, path)
    assert.ok((answers[0]?.status ?? 0) < 300, answers[0]?.text)
    assert.equal(answers.filter(({ replayed }) => replayed === null).length, 1, path)
  }
})

test('an emptied Redis doubles nothing, and neither does a ship that was forgotten', async () => {
  const { a, b, stack } = servers
  const key = nextKey()
  const first = await post(a, '/v1/ships', { blueprint: 'arena' }, key)
  const redis = new Redis(stack.redis.address)
  await redis.flushall()
  redis.disconnect()
  const { id } = JSON.parse(first.text).ships[0]
  await a.stores.ships.update([id], (ship) => ({ ...ship, state: 'Stopped' }))
  await a.stores.ships.forget([id], () => true, { conditions: [], check: async () => undefined })
  const again = await post(b, '/v1/ships', { blueprint: 'arena' }, key)
  assert.deepEqual([again.replayed, again.text], ['true', first.text])
  assert.equal(await a.stores.ships.read(id), undefined)
})

test('another body, or another path, under the same key is refused', async () => {
  const { a, b } = servers
  const key = nextKey()
  await post(a, '/v1/ships', { blueprint: 'arena' }, key)
  const other = await post(b, '/v1/ships', { blueprint: 'arena', count: 2 }, key)
  assert.deepEqual([other.status, other.code], [422, 'key_reused'])
  assert.equal((await post(b, '/v1/hosts/north/cordon', { blueprint: 'arena' }, key)).status, 422)
  for (const bad of ['', 'a b', 'x'.repeat(129)])
    assert.equal((await post(a, '/v1/ships', { blueprint: 'arena' }, bad)).status, 400)
})

test('what failed may be tried again with its key; two callers with one key do not meet', async () => {
  const { a, b } = servers
  const key = nextKey()
  assert.equal((await post(a, '/v1/ships', { blueprint: 'later' }, key)).status, 404)
  await publish(a, 'later')
  const made = await post(b, '/v1/ships', { blueprint: 'later' }, key)
  assert.deepEqual([made.status, made.replayed], [201, null])
  assert.equal((await post(a, '/v1/ships', { blueprint: 'later' }, key, runnerToken)).status, 403)
})

test('a request whose ApiServer died is taken over by one other, and its late end counts no more', async () => {
  const { a, b } = servers
  const asked = { scope: nextKey(), digest: 'd', secret: 's' }
  const first = await new AnswerStore(a.stores.kv, 200).begin(asked)
  assert.equal((await new AnswerStore(b.stores.kv, 200).begin(asked)).is, 'underWay')
  await new Promise((resolve) => setTimeout(resolve, 250))
  const found = await Promise.all([a, b].map(({ stores }) => new AnswerStore(stores.kv, 200).begin(asked)))
  assert.deepEqual(found.map(({ is }) => is).sort(), ['begun', 'underWay'])
  const second = found.find(({ is }) => is === 'begun')
  const answer = (body: string) => ({ status: 201, contentType: 'application/json', body })
  if (second?.is === 'begun') await second.end(answer('second'))
  if (first.is === 'begun') await first.end(answer('first'))
  assert.deepEqual(await b.stores.answers.begin(asked), { is: 'answered', answer: answer('second') })
})

test('nothing of an answer can be read in etcd', async () => {
  const { a } = servers
  const key = nextKey()
  const { text } = await post(a, '/v1/hosts/join-tokens', { host: 'secret' }, key)
  const { token } = JSON.parse(text)
  const { items } = await a.stores.kv.list('/armada/answers/')
  assert.ok(items.length > 0)
  for (const item of items) assert.ok(!item.value.includes(token) && !item.value.includes(key))
})

test.run()
