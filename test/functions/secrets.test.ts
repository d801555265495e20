// Secrets: set by admins, sealed in etcd, handed to the host whose claim holds and to nobody else.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { Seal } from '../../functions/stores/seal.ts'
import { SecretStore } from '../../functions/stores/secrets.ts'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { adminToken } from '../harness/apiServer.ts'
import {
  claim,
  joinHost,
  publish,
  refused,
  report,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'

const test = suite('secrets')
let servers: TwoServers

test.before(async () => {
  servers = await startTwoServers()
})
test.after(() => servers?.stop())

const value = 'correct horse battery staple'
const put = (secret: string, text = value) =>
  answerOf(servers.a.admin.v1.secrets[':secret'].$put({ param: { secret }, json: { value: text } }))
const handOver = (host: Client, ship: string, attempt: number) =>
  answerOf(host.v1.monitor.ships[':ship'].secrets.$post({ param: { ship }, json: { attempt } }))

test('values go in and do not come out: not in lists, the audit log or etcd', async () => {
  const set = await put('password')
  assert.deepEqual([set.name, set.sealed, 'value' in set], ['password', true, false])
  await put('other')
  const changed = await put('password', `${value}!`)
  assert.notEqual(changed.revision, set.revision)
  const get = async (path: string) => {
    const headers = { authorization: `Bearer ${adminToken}` }
    return (await fetch(servers.a.url + path, { headers })).text()
  }
  const list = await get('/v1/secrets')
  assert.deepEqual(
    JSON.parse(list).secrets.map(({ name }: { name: string }) => name),
    ['other', 'password'],
  )
  const { kv } = servers.direct[0].stores
  const stored = (await kv.list('/armada/')).items.map((item) => item.value).join('\n')
  for (const text of [list, await get('/v1/audit'), stored]) assert.ok(!text.includes('horse'))
  const elsewhere = new SecretStore(kv, new Seal('another-key-0123456789'))
  assert.equal(await elsewhere.open('password'), null)
  const gone = (name: string) =>
    answerOf(servers.a.admin.v1.secrets[':secret'].$delete({ param: { secret: name } }))
  assert.deepEqual(await gone('other'), { deleted: 'other' })
  await refused(gone('other'), 'not_found')
  await refused(put('too-long', 'x'.repeat(32_769)), 'invalid_request')
})

test('only admins set and list them', async () => {
  const made = servers.a.admin.v1.tokens.$post({ json: { name: 'op', role: 'operator' } })
  const operator = servers.a.as((await answerOf(made)).secret)
  await refused(answerOf(operator.v1.secrets.$get()), 'forbidden')
  const json = { value: 'mine' }
  await refused(
    answerOf(operator.v1.secrets[':secret'].$put({ param: { secret: 'password' }, json })),
    'forbidden',
  )
})

test('handed over to the host that starts the ship, for its attempt, and only while it starts', async () => {
  await put('key')
  const secrets = [
    { name: 'key', path: '/etc/key' },
    { name: 'key', path: '/etc/same' },
  ]
  await publish(servers.a, 'safe', { ports: [], secrets })
  const made = servers.a.admin.v1.ships.$post({ json: { blueprint: 'safe' }, header: {} })
  const ship = (await answerOf(made)).ships[0]?.id as string
  const north = (await joinHost(servers.a, 'north')).client
  const south = (await joinHost(servers.a, 'south')).client
  await refused(handOver(north, ship, 1), 'conflict', /does not start on host "north"/)
  const { granted } = await claim(north, [{ ship, attempt: 1 }])
  assert.ok(!JSON.stringify(granted).includes('horse'))
  assert.deepEqual(await handOver(north, ship, 1), { values: { key: value } })
  await refused(handOver(south, ship, 1), 'conflict')
  await refused(handOver(north, ship, 2), 'conflict')
  await refused(handOver(servers.a.admin, ship, 1), 'forbidden')
  await answerOf(servers.a.admin.v1.secrets[':secret'].$delete({ param: { secret: 'key' } }))
  await refused(handOver(north, ship, 1), 'not_found', /There is no secret "key". PUT \/v1\/secrets\/key/)
  await report(north, { ship, attempt: 1, state: 'Ready' })
  await refused(handOver(north, ship, 1), 'conflict')
})

test.run()
