// Labels, selectors, revisions and freshness of lookups, on two ApiServers over real stores.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf } from '../../shared/api/client.ts'
import { LabelSelector, selects } from '../../shared/model/labelSelector.ts'
import { type ApiServer, adminToken } from '../harness/apiServer.ts'
import {
  joinHost,
  publish,
  refused,
  shipAt,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('ships')
let servers: TwoServers

test.before(async () => {
  servers = await startTwoServers()
  await publish(servers.a, 'arena')
})
test.after(() => servers?.stop())

const create = async (api: ApiServer, labels: Record<string, string>) => {
  const json = { blueprint: 'arena', labels }
  return (await answerOf(api.admin.v1.ships.$post({ json, header: {} }))).ships[0]?.id as string
}
const label = (api: ApiServer, ship: string, labels: Record<string, string | null>, ifMatch?: string) => {
  const header = ifMatch === undefined ? {} : { 'if-match': ifMatch }
  return answerOf(api.admin.v1.ships[':ship'].$patch({ param: { ship }, json: { labels }, header }))
}
const get = (api: ApiServer, path: string) =>
  fetch(api.url + path, { headers: { authorization: `Bearer ${adminToken}` } })

test('a selector is read as Kubernetes reads it', () => {
  const labels = { region: 'eu', tier: 'a', empty: '' }
  const holds = (text: string) => selects(LabelSelector.parse(text), labels)
  const cases: Record<string, boolean> = {
    '': true,
    'region=eu': true,
    'region == eu , tier!=b': true,
    'tier in (a,b),!x': true,
    'tier in (b, c)': false,
    'tier notin (b)': true,
    'x notin (b)': true,
    'x!=b': true,
    'x in (b)': false,
    region: true,
    '!region': false,
    'empty=': true,
    toString: false,
  }
  for (const [text, expected] of Object.entries(cases)) assert.equal(holds(text), expected, text)
  for (const text of ['a=b=c', 'in (a', 'a in', '(a)', 'a b', '!', '=b'])
    assert.equal(LabelSelector.safeParse(text).success, false, text)
})

test('ships, fleets and hosts are selected by labels', async () => {
  const { a, b } = servers
  const gold = await create(a, { tier: 'gold', region: 'eu' })
  const iron = await create(a, { tier: 'iron', region: 'eu', old: 'yes' })
  const chosen = async (labelSelector: string) => {
    const { ships } = await answerOf(b.admin.v1.ships.$get({ query: { labelSelector, limit: '1' } }))
    return ships.map(({ id }) => id)
  }
  assert.deepEqual(await chosen('region=eu,tier in (gold,silver),!old'), [gold])
  assert.deepEqual(await chosen('region=eu,old'), [iron])
  await refused(chosen('tier in gold'), 'invalid_request', /no label expression/)
  const fleet = { name: 'lobby', blueprint: 'arena', replicas: 0, labels: { tier: 'gold' } }
  await answerOf(a.admin.v1.fleets.$post({ json: fleet }))
  await joinHost(a, 'north', { labels: { zone: 'n' } })
  for (const [labelSelector, many] of [
    ['tier=gold', 1],
    ['tier=iron', 0],
  ] as const) {
    const { fleets } = await answerOf(b.admin.v1.fleets.$get({ query: { labelSelector } }))
    assert.equal(fleets.length, many)
  }
  const { hosts } = await answerOf(b.admin.v1.hosts.$get({ query: { labelSelector: 'zone!=n' } }))
  assert.deepEqual(hosts, [])
})

test('labels change if the ship is as it was read; ten at once with one revision: one wins', async () => {
  const { a, b } = servers
  const ship = await create(a, { map: 'dm1' })
  const tag = (await get(b, `/v1/ships/${ship}`)).headers.get('etag') as string
  assert.equal(tag, `"${(await shipAt(b, ship)).revision}"`)
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, (_, i) => label(i % 2 ? a : b, ship, { winner: String(i) }, tag)),
  )
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  await refused(label(a, ship, { map: null }, tag), 'revision_mismatch', /Read it again/)
  assert.deepEqual(Object.keys((await label(a, ship, { map: null })).labels), ['winner'])
  await refused(label(a, 'nothing', {}), 'not_found')
  const stop = (ifMatch: string) =>
    fetch(`${a.url}/v1/ships/${ship}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${adminToken}`, 'if-match': ifMatch },
    })
  assert.equal((await stop(tag)).status, 412)
  assert.equal((await stop('*')).status, 202)
})

test('a consistent lookup shows at once what another server has just written', async () => {
  const { a, b } = servers
  for (let i = 0; i < 50; i++) {
    const ship = await create(a, { turn: String(i) })
    const response = await get(b, `/v1/ships?consistent=true&labelSelector=turn=${i}`)
    const { ships } = (await response.json()) as { ships: { id: string; revision: string }[] }
    assert.deepEqual(
      ships.map(({ id }) => id),
      [ship],
    )
    assert.ok(Number(response.headers.get('x-armada-revision')) >= Number(ships[0]?.revision))
  }
  assert.equal((await get(b, '/v1/ships?consistent=maybe')).status, 400)
})

test('while etcd is away lookups go on and say for how long; consistent ones are refused', async () => {
  const { a, stack } = servers
  const ship = await create(a, {})
  assert.equal((await get(a, `/v1/ships/${ship}`)).headers.get('x-armada-stale'), null)
  await stack.etcd.stop()
  try {
    const stale = async () => (await get(a, `/v1/ships/${ship}`)).headers.get('x-armada-stale')
    await until(async () => (await stale()) !== null)
    assert.match((await stale()) ?? '', /^\d+$/)
    assert.equal((await get(a, `/v1/ships/${ship}`)).status, 200)
    assert.equal((await get(a, `/v1/ships/${ship}?consistent=true`)).status, 503)
  } finally {
    await stack.etcd.restart()
  }
  await until(async () => (await get(a, `/v1/ships/${ship}`)).headers.get('x-armada-stale') === null)
  assert.equal((await get(a, `/v1/ships/${ship}?consistent=true`)).status, 200)
})

test.run()
