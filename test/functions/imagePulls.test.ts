// Image pulls on two ApiServers over real stores: who pulls when, what is shown, and what is left in the end.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { etcdKeys } from '../../functions/stores/keys.ts'
import { answerOf, type Client } from '../../shared/api/client.ts'
import type { ImagePullView, PullEnd } from '../../shared/model/imagePull.ts'
import { startApiServer } from '../harness/apiServer.ts'
import { joinHost, publish, refused, startTwoServers, type TwoServers } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('image pulls')
const hosts = new Map<string, Client>()
let servers: TwoServers

test.before(async () => {
  servers = await startTwoServers()
  for (let i = 0; i < 6; i++) {
    const id = `host-${i}`
    const labels = { region: i < 5 ? 'eu' : 'us' }
    hosts.set(id, (await joinHost(servers.a, id, { labels })).client)
  }
  await publish(servers.a, 'arena', { image: 'registry.example/arena:1' })
  await publish(servers.a, 'arena', { image: 'registry.example/arena:2' })
})
test.after(() => servers?.stop())

type Request = Parameters<Client['v1']['image-pulls']['$post']>[0]['json']

const begin = (json: Request) => answerOf(servers.a.admin.v1['image-pulls'].$post({ json }))
const show = (pull: string) => answerOf(servers.b.admin.v1['image-pulls'][':pull'].$get({ param: { pull } }))
const remove = (pull: string) =>
  answerOf(servers.b.admin.v1['image-pulls'][':pull'].$delete({ param: { pull } }))
const show1 = async (pull: string, host: string) => {
  const query = { limit: '100' }
  const { hosts } = await answerOf(
    servers.a.admin.v1['image-pulls'][':pull'].hosts.$get({ param: { pull }, query }),
  )
  return hosts.find((one) => one.host === host)
}

/** One report of a host. @returns what it is told to pull. */
async function reports(host: string, ends: PullEnd[] = [], pulls?: { image: string; percent: number }[]) {
  const sample = { cpuMillis: 1, memoryMiB: 1, load1: 0, diskFreeMiB: null, degraded: null }
  const json = {
    ...{ changes: [], holdings: null, ships: [], pulls: ends },
    host: { ...sample, pulls: pulls?.map((one) => ({ ...one, totalMiB: 120 })) ?? [] },
  }
  const client = hosts.get(host) as Client
  return (await answerOf(client.v1.monitor.reports.$post({ json }))).pulls
}

const done = ({ id }: Pick<ImagePullView, 'id'>): PullEnd => ({
  ...{ pull: id, state: 'Pulled', reason: null, tookMs: 1_200 },
})

test('hosts that match pull, so many at a time; the next begins when one is done; all ApiServers show how far it is', async () => {
  const pull = await begin({ blueprint: 'arena', labelSelector: 'region=eu', parallelism: 2 })
  assert.equal(pull.image, 'registry.example/arena:2')
  assert.deepEqual(pull.blueprint, { name: 'arena', revision: 2 })
  assert.deepEqual(pull.hosts, { pending: 5, pulling: 0, pulled: 0, failed: 0 })
  const told = await Promise.all([...hosts.keys()].map((host) => reports(host)))
  for (const host of hosts.keys()) told.push(await reports(host))
  const order = told.flat()[0]
  assert.ok(order && order.limitMs > 1_700_000 && order.limitMs <= 1_800_000)
  const pulling = await answerOf(
    servers.b.admin.v1['image-pulls'][':pull'].hosts.$get({
      param: { pull: pull.id },
      query: { limit: '3' },
    }),
  )
  assert.equal(pulling.hosts.length, 3)
  assert.ok(pulling.nextCursor)
  assert.deepEqual((await show(pull.id)).hosts, { pending: 3, pulling: 2, pulled: 0, failed: 0 })
  const holders: string[] = []
  for (const host of hosts.keys()) if ((await reports(host)).length > 0) holders.push(host)
  assert.equal(holders.length, 2)
  const [first = '', second = ''] = holders
  await reports(first, [], [{ image: pull.image, percent: 45 }])
  await until(async () => (await show1(pull.id, first))?.percent === 45, 5_000)
  const failed: PullEnd = { pull: pull.id, state: 'Failed', reason: 'no such image', tookMs: 30 }
  assert.deepEqual(await reports(second, [failed]), [])
  // Told again it changes nothing.
  await reports(second, [done(pull)])
  assert.equal((await show1(pull.id, second))?.reason, 'no such image')
  for (let rounds = 0; (await show(pull.id)).state === 'Running'; rounds++) {
    assert.ok(rounds < 20)
    let most = 0
    for (const host of hosts.keys()) {
      if ((await reports(host)).length > 0) await reports(host, [done(pull)])
      most = Math.max(most, (await show(pull.id)).hosts.pulling)
    }
    assert.ok(most <= 2)
  }
  const ended = await show(pull.id)
  assert.deepEqual([ended.state, ended.hosts], ['Failed', { pending: 0, pulling: 0, pulled: 4, failed: 1 }])
  assert.equal(await show1(pull.id, 'host-5'), undefined)
  assert.equal((await remove(pull.id)).deleted, pull.id)
})

test('a host that vanished gives its turn away; what it says later is taken when its turn has come again', async () => {
  const pull = await begin({ image: 'game:7', parallelism: 1, labelSelector: 'region=eu' })
  assert.equal((await reports('host-0')).length, 1)
  assert.deepEqual(await reports('host-1'), [])
  const { imagePulls } = servers.direct[0].stores
  const record = imagePulls.table.get(pull.id)?.value
  assert.ok(record)
  assert.ok(!(await imagePulls.take(record, 'host-1', () => false)))
  assert.ok(await imagePulls.take(record, 'host-1', (host) => host === 'host-0'))
  await reports('host-0', [done(pull)])
  assert.equal((await show(pull.id)).hosts.pulled, 0)
  await reports('host-1', [done(pull)])
  assert.deepEqual(
    (await reports('host-0')).map(({ image }) => image),
    ['game:7'],
  )
  await reports('host-0', [done(pull)])
  assert.equal((await show(pull.id)).hosts.pulled, 2)
  await remove(pull.id)
})

test('it outlives the ApiServers that made it, and what was pulled is not pulled again', async () => {
  const pull = await begin({ image: 'game:8' })
  await reports('host-0')
  await reports('host-0', [done(pull)])
  const another = await startApiServer(servers.stack, {})
  try {
    const shown = await answerOf(another.admin.v1['image-pulls'][':pull'].$get({ param: { pull: pull.id } }))
    assert.equal(shown.hosts.pulled, 1)
    const { pulls } = await answerOf(another.admin.v1['image-pulls'].$get())
    assert.deepEqual(
      pulls.map(({ id }) => id),
      [pull.id],
    )
  } finally {
    await another.close()
  }
  assert.deepEqual(await reports('host-0'), [])
  await remove(pull.id)
})

test('an agent that is too old is told nothing; hosts on which it is not there by the deadline have failed; then all of it is forgotten', async () => {
  const pull = await begin({
    image: 'game:9',
    labelSelector: 'region=us',
    deadlineSeconds: 10,
    keepSeconds: 5,
  })
  const json = { changes: [], holdings: null, host: null, ships: [] }
  const answer = await answerOf((hosts.get('host-5') as Client).v1.monitor.reports.$post({ json }))
  assert.deepEqual(answer.pulls, [])
  await until(async () => (await show(pull.id)).state === 'Failed', 20_000)
  assert.equal((await show1(pull.id, 'host-5'))?.reason, 'not there by the deadline')
  assert.deepEqual(await reports('host-5'), [])
  const { kv } = servers.direct[0].stores
  const left = async () => {
    const keys = [etcdKeys.imagePulls, etcdKeys.imagePullHolders, etcdKeys.imagePullOutcomes]
    return (await Promise.all(keys.map((key) => kv.list(key)))).flatMap(({ items }) => items).length
  }
  await until(async () => (await left()) === 0, 40_000)
  await refused(show(pull.id), 'not_found')
})

test('a host that asks learns which images have to stay: of ships, fleets and pulls, however they are written', async () => {
  const whole = (name: string) => `docker.io/library/${name}`
  await publish(servers.a, 'old', { image: 'lobby:1' })
  const json = { name: 'lobby', blueprint: 'old', replicas: 0 }
  await answerOf(servers.a.admin.v1.fleets.$post({ json }))
  await publish(servers.a, 'old', { image: 'lobby:2' })
  await publish(servers.a, 'single', { image: 'single' })
  await answerOf(servers.b.admin.v1.ships.$post({ json: { blueprint: 'single' }, header: {} }))
  const pull = await begin({ image: 'ahead:1' })
  const needed = async () => {
    const images = ['lobby:1', 'lobby:2', 'lobby:3', 'single:latest', 'ahead:1', 'game:1'].map(whole)
    const client = hosts.get('host-1') as Client
    return (await answerOf(client.v1.monitor.images.$post({ json: { images } }))).needed
  }
  assert.deepEqual(await needed(), ['lobby:1', 'lobby:2', 'single:latest', 'ahead:1'].map(whole))
  const fleet = { param: { fleet: 'lobby' }, header: {} }
  await answerOf(servers.a.admin.v1.fleets[':fleet'].$patch({ ...fleet, json: { revision: 2 } }))
  await remove(pull.id)
  // The one that it may be brought back to stays.
  assert.deepEqual(await needed(), ['lobby:1', 'lobby:2', 'single:latest'].map(whole))
  await refused(answerOf(servers.a.admin.v1.monitor.images.$post({ json: { images: [] } })), 'forbidden')
})

test('what cannot be is refused, and changes nothing', async () => {
  await refused(begin({ blueprint: 'none' }), 'not_found')
  await refused(begin({ blueprint: 'arena', revision: 9 }), 'not_found')
  await refused(begin({}), 'invalid_request', /name a blueprint, or an image/)
  await refused(begin({ image: 'game:1', revision: 1 }), 'invalid_request', /name one/)
  await refused(begin({ image: 'game:1', labelSelector: 'a in (' }), 'invalid_request')
  await refused(begin({ image: 'game:1', labelSelector: 'region=mars' }), 'conflict', /No host matches/)
  await refused(remove('pull-none'), 'not_found')
  await refused(
    answerOf(servers.a.runner.v1['image-pulls'].$post({ json: { image: 'game:1' } })),
    'forbidden',
  )
  assert.deepEqual((await answerOf(servers.a.admin.v1['image-pulls'].$get())).pulls, [])
})

test.run()
