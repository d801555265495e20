// Quotas on two ApiServers over real stores: exact however many ask at once, and free again when ships end.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { etcdKeys } from '../../functions/stores/keys.ts'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { Quota } from '../../shared/model/token.ts'
import type { ApiServer } from '../harness/apiServer.ts'
import { publish, refused, startTwoServers, type TwoServers } from '../harness/twoServers.ts'

const test = suite('quotas')
let servers: TwoServers
let epoch: number
const secrets = new Map<string, string>()

async function makeToken(name: string, quota: Partial<Quota>): Promise<void> {
  const json = { name, role: 'operator' as const, quota }
  secrets.set(name, (await answerOf(servers.a.admin.v1.tokens.$post({ json }))).secret)
}

test.before(async () => {
  servers = await startTwoServers()
  await publish(servers.a, 'arena', { resources: { cpuMillis: 500, memoryMiB: 128 } })
  epoch = await servers.a.lead('controllers')
  await makeToken('ten', { ships: 10 })
  await makeToken('bulk', { ships: 250 })
  await makeToken('cores', { cpuMillis: 1_200 })
  await makeToken('fleets', { ships: 6 })
  await makeToken('taker', { ships: 4 })
  await servers.b.stores.mirror.catchUp()
})
test.after(() => servers?.stop())

const as = (api: ApiServer, name: string) => api.as(secrets.get(name) ?? '')

const make = (client: Client, count = 1, key?: string) =>
  answerOf(
    client.v1.ships.$post({
      json: { blueprint: 'arena', count },
      header: key === undefined ? {} : { 'idempotency-key': key },
    }),
  )

const stopShip = ({ admin }: ApiServer, ship: string) =>
  answerOf(admin.v1.ships[':ship'].$delete({ param: { ship }, header: {} }))

const fleet = (client: Client, name: string, replicas: number) =>
  answerOf(client.v1.fleets.$post({ json: { name, blueprint: 'arena', replicas } }))

const scale = (client: Client, name: string, replicas: number) =>
  answerOf(client.v1.fleets[':fleet'].$patch({ param: { fleet: name }, json: { replicas }, header: {} }))

const look = ({ admin }: ApiServer, name: string) =>
  answerOf(admin.v1.fleets[':fleet'].$get({ param: { fleet: name } }))

/** What the controller does: a step on the fleet as it is. */
async function step(api: ApiServer, name: string, create: number): Promise<string[]> {
  const { revision } = await look(api, name)
  const json = { epoch, revision, create, stop: [], forget: false }
  const answer = await answerOf(api.runner.v1.fleets[':fleet'].steps.$post({ param: { fleet: name }, json }))
  return answer.created
}

const setQuota = ({ admin }: ApiServer, quota: string, json: { fleets: string[] } & Partial<Quota>) =>
  answerOf(admin.v1.quotas[':quota'].$put({ param: { quota }, header: {}, json }))

const madeBy = async ({ stores }: ApiServer, token: string) => {
  const { items } = await stores.kv.list(etcdKeys.ships)
  const ships = items.map(({ value }) => JSON.parse(value))
  return ships.filter(({ createdBy, state }) => createdBy === token && state !== 'Stopped').length
}

test('forty at once over two ApiServers make ten, and what ends makes room again', async () => {
  const { a, b } = servers
  const asked = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => make(as(i % 2 ? a : b, 'ten'))))
  const made = asked.flatMap((one) => (one.status === 'fulfilled' ? one.value.ships : []))
  const reasons = asked.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  assert.equal(made.length, 10)
  for (const reason of reasons) {
    assert.ok(reason instanceof ArmadaError)
    assert.equal(reason.code, 'quota_exceeded', reason.message)
  }
  assert.match(reasons[0].message, /token "ten" allows 10 ships: 10 are taken, 1 more are wanted/)
  assert.equal(await madeBy(a, 'ten'), 10)
  assert.ok(made.every(({ createdBy }) => createdBy === 'ten'))
  await Promise.all(made.slice(0, 3).map(({ id }) => stopShip(b, id)))
  const again = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => make(as(i % 2 ? a : b, 'ten'))))
  assert.equal(again.filter(({ status }) => status === 'fulfilled').length, 3)
  assert.equal(await madeBy(b, 'ten'), 10)
  assert.equal((await make(a.admin)).ships[0]?.createdBy, undefined)
})

test('a bulk is made whole or not at all, also when others want the same room', async () => {
  const { a, b } = servers
  const wanted = [150, 150, 120, 90, 60, 130]
  const asked = await Promise.allSettled(wanted.map((count, i) => make(as(i % 2 ? a : b, 'bulk'), count)))
  const made = asked.map((one) => (one.status === 'fulfilled' ? one.value.ships.length : 0))
  const sum = made.reduce((all, count) => all + count, 0)
  assert.ok(sum <= 250, `${made}`)
  for (const [i, count] of made.entries()) {
    assert.ok(count === 0 || count === wanted[i], `${made}`)
    if (count === 0) assert.ok(sum + (wanted[i] as number) > 250, `${made}: ${wanted[i]} would have fitted`)
  }
  assert.equal(await madeBy(a, 'bulk'), sum)
})

test('the same request again is answered as before, also when the quota is used up by it', async () => {
  const { a, b } = servers
  const first = await make(as(a, 'taker'), 4, 'once')
  // Past the kept answer, as after the death of an ApiServer: the handler itself runs again.
  const { items } = await a.stores.kv.list('/armada/answers/')
  await a.stores.kv.commit(
    [],
    items.map(({ key }) => ({ delete: key })),
  )
  const again = await make(as(b, 'taker'), 4, 'once')
  assert.deepEqual(
    again.ships.map(({ id }) => id),
    first.ships.map(({ id }) => id),
  )
  await refused(make(as(b, 'taker'), 1, 'twice'), 'quota_exceeded')
})

test('CPU and memory count as ships do', async () => {
  const { a } = servers
  await make(as(a, 'cores'), 2)
  const refusal = /allows 1200 millicores of CPU: 1000 are taken, 500 more are wanted/
  await refused(make(as(a, 'cores')), 'quota_exceeded', refusal)
  await setQuota(a, 'memory', { fleets: ['heavy-*'], memoryMiB: 300 })
  await refused(fleet(a.admin, 'heavy-1', 3), 'quota_exceeded', /MiB of memory: 0 are taken, 384 more/)
  await fleet(a.admin, 'heavy-1', 2)
  await refused(fleet(a.admin, 'heavy-2', 1), 'quota_exceeded', /256 are taken/)
})

test('fleets of a quota share it, whoever scales them, also at the same moment', async () => {
  const { a, b } = servers
  await setQuota(a, 'lobbies', { fleets: ['lobby', 'lobby-*'], ships: 10 })
  await fleet(a.admin, 'lobby', 4)
  await refused(
    fleet(b.admin, 'lobby-eu', 7),
    'quota_exceeded',
    /Quota "lobbies" allows 10 ships: 4 are taken, 7 more/,
  )
  const many = Array.from({ length: 10 }, (_, i) => fleet(i % 2 ? a.admin : b.admin, `lobby-${i}`, 1))
  const made = (await Promise.allSettled(many)).filter(({ status }) => status === 'fulfilled')
  assert.equal(made.length, 6)
  await refused(scale(a.admin, 'lobby', 5), 'quota_exceeded')
  assert.equal((await step(a, 'lobby', 4)).length, 4)
  assert.equal((await scale(b.admin, 'lobby', 2)).replicas, 2)
  await fleet(a.admin, 'elsewhere', 30)
  const { used } = await answerOf(b.admin.v1.quotas[':quota'].$get({ param: { quota: 'lobbies' } }))
  assert.deepEqual(used, { ships: 4, cpuMillis: 2_000, memoryMiB: 512 })
})

test('a step makes as many as fit, the fleet says why, and goes on when there is room', async () => {
  const { a, b } = servers
  await fleet(a.admin, 'arena-1', 5)
  await setQuota(b, 'arenas', { fleets: ['arena-*'], ships: 3 })
  await a.stores.mirror.catchUp()
  const created = await step(a, 'arena-1', 5)
  assert.equal(created.length, 3)
  assert.match((await look(a, 'arena-1')).message ?? '', /Quota "arenas" allows 3 ships: 0 are taken, 5 more/)
  assert.deepEqual(await step(a, 'arena-1', 2), [])
  const { revision } = await look(a, 'arena-1')
  assert.deepEqual(await step(a, 'arena-1', 2), [])
  assert.equal((await look(a, 'arena-1')).revision, revision)
  assert.match((await look(a, 'arena-1')).message ?? '', /3 are taken, 2 more are wanted/)
  await stopShip(b, created[0] as string)
  assert.equal((await step(a, 'arena-1', 3)).length, 1)
  await answerOf(b.admin.v1.quotas[':quota'].$delete({ param: { quota: 'arenas' } }))
  await a.stores.mirror.catchUp()
  assert.equal((await step(a, 'arena-1', 2)).length, 2)
  assert.equal((await look(a, 'arena-1')).message, null)
})

test("a token's fleets and their ships are under its quota; who scales one up takes it over", async () => {
  const { a, b } = servers
  const mine = as(a, 'fleets')
  assert.equal((await fleet(mine, 'mine', 4)).createdBy, 'fleets')
  await refused(make(as(b, 'fleets'), 3), 'quota_exceeded', /6 ships: 4 are taken, 3 more/)
  await make(as(b, 'fleets'), 2)
  const made = await step(a, 'mine', 4)
  assert.equal(made.length, 4)
  await refused(scale(as(b, 'fleets'), 'mine', 5), 'quota_exceeded')
  await fleet(a.admin, 'theirs', 1)
  await refused(scale(mine, 'theirs', 2), 'quota_exceeded')
  assert.equal((await scale(a.admin, 'mine', 5)).createdBy, undefined)
  assert.equal((await step(b, 'mine', 1)).length, 1)
})

test('quotas are set by admins, seen by all, and refused when they make no sense', async () => {
  const { a, b } = servers
  const operator = as(a, 'ten')
  const json = { fleets: ['x-*'], ships: 1 }
  const put = (client: Client, body: object, header = {}) =>
    answerOf(client.v1.quotas[':quota'].$put({ param: { quota: 'x' }, header, json: body as typeof json }))
  await refused(put(operator, json), 'forbidden')
  for (const wrong of [{ fleets: [] }, { fleets: ['../'] }, { ...json, ships: -1 }, { ...json, more: 1 }])
    await refused(put(a.admin, wrong), 'invalid_request')
  const made = await put(a.admin, json)
  assert.deepEqual([made.ships, made.cpuMillis, made.used.ships], [1, null, 0])
  await refused(put(b.admin, json, { 'if-match': '"1"' }), 'revision_mismatch')
  await put(b.admin, { ...json, ships: 2 }, { 'if-match': made.revision })
  const { quotas } = await answerOf(as(b, 'ten').v1.quotas.$get())
  assert.equal(quotas.find(({ name }) => name === 'x')?.ships, 2)
  await answerOf(a.admin.v1.quotas[':quota'].$delete({ param: { quota: 'x' } }))
  await refused(answerOf(b.admin.v1.quotas[':quota'].$get({ param: { quota: 'x' } })), 'not_found')
})

test('the quota of a token goes on for its fleets when it is revoked, until somebody else takes them over', async () => {
  const { a, b } = servers
  await makeToken('leaver', { ships: 3 })
  await fleet(as(a, 'leaver'), 'left', 3)
  await answerOf(a.admin.v1.tokens[':token'].$delete({ param: { token: 'leaver' } }))
  await b.stores.mirror.catchUp()
  assert.equal((await step(b, 'left', 5)).length, 3)
  assert.deepEqual(await step(a, 'left', 1), [])
  await scale(a.admin, 'left', 5)
  assert.equal((await step(b, 'left', 2)).length, 2)
})

test.run()
