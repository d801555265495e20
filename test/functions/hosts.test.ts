// What people order of hosts, on two ApiServers over real stores, with the real controllers and the scheduler.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { control } from '../../functions/runners/controllers/control.ts'
import { schedule } from '../../functions/runners/scheduler/schedule.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { Address } from '../../shared/model/address.ts'
import { Advice } from '../../shared/model/holding.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import type { ApiServer } from '../harness/apiServer.ts'
import {
  boardShips,
  claim,
  describeHost,
  joinHost,
  publish,
  refused,
  report,
  shipAt,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('hosts')
const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const settings = { ticketLostMs: 45_000, unclaimedMs: 20_000, forgetMs: 3_600_000 }
let epoch: number
const leading = new AbortController()
let servers: TwoServers
let zk: ZooKeeper
let running: Promise<unknown> | undefined

const hostAt = (api: ApiServer, host: string) =>
  answerOf(api.admin.v1.hosts[':host'].$get({ param: { host } }))
const cordon = (api: ApiServer, host: string, reason: string) =>
  answerOf(api.admin.v1.hosts[':host'].cordon.$post({ param: { host }, json: { reason } }))
const uncordon = (api: ApiServer, host: string) =>
  answerOf(api.admin.v1.hosts[':host'].uncordon.$post({ param: { host } }))
const drain = (api: ApiServer, host: string, deadlineSeconds: number) =>
  answerOf(api.admin.v1.hosts[':host'].drain.$post({ param: { host }, json: { deadlineSeconds } }))
const remove = (api: ApiServer, host: string, force = 'false') =>
  answerOf(api.admin.v1.hosts[':host'].$delete({ param: { host }, query: { force } }))
const label = (api: ApiServer, host: string, labels: Record<string, string | null>, ifMatch?: string) => {
  const header = ifMatch === undefined ? {} : { 'if-match': ifMatch }
  return answerOf(api.admin.v1.hosts[':host'].$patch({ param: { host }, json: { labels }, header }))
}

async function adviceOn(host: string): Promise<Advice | undefined> {
  const found = await zk.get(paths.advisor(host))
  return found?.data.length ? Advice.parse(JSON.parse(found.data.toString())) : undefined
}

/** What the agent of a host does in ZooKeeper. */
async function appear(host: string, labels: Record<string, string> = {}): Promise<void> {
  await zk.ensurePath(paths.workerQueue(host))
  await zk.set(paths.worker(host), JSON.stringify(describeHost(host, { labels })))
  await zk.create(paths.workerPresence(host), '', 'ephemeral')
}

const stopped = (ship: string, attempt = 1) => ({
  ...{ ship, attempt, state: 'Stopped' as const, reason: 'asked' },
  exit: null,
})

test.before(async () => {
  servers = await startTwoServers()
  zk = await ZooKeeper.connect({ servers: servers.stack.zookeeper.address, log })
  await publish(servers.a, 'arena')
  const { signal } = leading
  epoch = await servers.a.lead('controllers')
  running = Promise.allSettled([
    control({ zk, client: servers.a.runner, settings, log }, { epoch, signal }),
    schedule({ zk, client: servers.b.runner, log }, { epoch: await servers.b.lead('scheduler'), signal }),
  ])
})

test.after(async () => {
  leading.abort()
  await running
  await zk?.close()
  await servers?.stop()
})

test("an operator's labels win over the agent's, survive its hello, and are taken away again", async () => {
  const { a, b } = servers
  const { client } = await joinHost(a, 'labelled', { labels: { region: 'eu', ssd: 'yes' } })
  const first = await label(a, 'labelled', { region: 'us', tier: 'gold' })
  assert.deepEqual(first.labels, { region: 'us', ssd: 'yes', tier: 'gold' })
  assert.deepEqual(first.ownLabels, { region: 'us', tier: 'gold' })
  const host = describeHost('labelled', { labels: { region: 'eu', ssd: 'no' } })
  await answerOf(client.v1.monitor.hello.$post({ json: { host, ships: [] } }))
  await until(async () => (await hostAt(b, 'labelled')).labels.ssd === 'no')
  assert.equal((await hostAt(b, 'labelled')).labels.region, 'us')
  assert.deepEqual((await adviceOn('labelled'))?.labels, { region: 'us', tier: 'gold' })
  await refused(label(b, 'labelled', { tier: 'iron' }, first.revision), 'revision_mismatch')
  const { revision } = await hostAt(a, 'labelled')
  const last = await label(b, 'labelled', { region: null, tier: null }, revision)
  assert.deepEqual([last.labels, last.ownLabels], [{ region: 'eu', ssd: 'no' }, {}])
  await refused(label(a, 'labelled', { '-': 'x' }), 'invalid_request', /labels/)
  await refused(label(a, 'nobody', {}), 'not_found', /join-tokens/)
})

test('players are sent to IP addresses and DNS names, and to nothing else', async () => {
  const good = ['192.0.2.1', '::1', '2001:db8::7', 'fra-1.example.com', 'localhost', 'xn--bcher-kva.example']
  const bad = [
    '',
    '192.0.2.1:7000',
    '300.1.1.1',
    'a b',
    'http://x',
    '-x.example',
    '[::1]',
    '127.1',
    'x'.repeat(254),
  ]
  for (const address of good) assert.ok(Address.safeParse(address).success, address)
  for (const address of bad) assert.ok(!Address.safeParse(address).success, address)
  await refused(joinHost(servers.a, 'vague', { address: 'fra-1:7000' }), 'invalid_request', /address/)
})

test('a cordon is told at once and kept whatever the agent reports meanwhile, over both servers', async () => {
  const { a, b } = servers
  const { credential } = await joinHost(a, 'fenced')
  const agents = [a, b].map((api) => api.as(credential))
  const holdings = (n: number) => [
    { ship: `s-${n}`, attempt: 1, fleet: null, resources: { cpuMillis: 1, memoryMiB: 1 }, hostPorts: [] },
  ]
  let reports = 0
  let over = false
  const reporting = agents.map(async ({ v1 }) => {
    while (!over) {
      const json = { changes: [], holdings: holdings(reports++), host: null, ships: [] }
      await answerOf(v1.monitor.reports.$post({ json }))
    }
  })
  try {
    for (let i = 0; i < 40; i++) {
      const api = i % 4 < 2 ? a : b
      if (i % 2) await uncordon(api, 'fenced')
      else await cordon(api, 'fenced', `round ${i}`)
      const told = (await adviceOn('fenced'))?.cordoned
      assert.equal(told, i % 2 ? null : `round ${i}`)
    }
  } finally {
    over = true
    await Promise.all(reporting)
  }
  assert.ok(reports > 40, `${reports} reports`)
  assert.equal((await adviceOn('fenced'))?.cordoned, null)
  assert.equal((await adviceOn('fenced'))?.holdings.length, 1)
})

test('the scheduler places nothing on a cordoned host, says why, and does when it is free again', async () => {
  const { a, b } = servers
  await joinHost(a, 'closed')
  await label(a, 'closed', { zone: 'north' })
  await appear('closed')
  await cordon(a, 'closed', 'new kernel')
  await publish(a, 'northern', { placement: { require: [{ key: 'zone', values: ['north'] }] } })
  const { ships } = await answerOf(a.admin.v1.ships.$post({ json: { blueprint: 'northern' }, header: {} }))
  const ship = ships[0]?.id as string
  await until(async () => /cordoned: new kernel/.test((await shipAt(b, ship)).reason ?? ''))
  await uncordon(b, 'closed')
  await until(async () => (await shipAt(a, ship)).host === 'closed')
  await answerOf(a.admin.v1.ships[':ship'].$delete({ param: { ship }, header: {} }))
  await remove(b, 'closed', 'true')
})

test('a drain: a ship that stands alone ends, then is queued again; one in use stays to the deadline', async () => {
  const { a, b } = servers
  const { client } = await joinHost(a, 'leaky')
  const [alone, used, gone, ill] = (await boardShips(a, client, 4)) as [string, string, string, string]
  await a.stores.ships.update([used, ill], (ship) => ({ ...ship, state: 'Allocated' }))
  // A match that misses its pings for a while goes on.
  await report(client, { ship: ill, attempt: 1, state: 'Unhealthy', reason: 'no pings' })
  const view = await drain(b, 'leaky', 3_600)
  assert.deepEqual(
    [view.cordon?.reason, view.drain?.state, view.drain?.left, view.drain?.inUse],
    ['draining', 'Draining', 4, 2],
  )
  await until(async () => (await shipAt(b, alone)).state === 'Stopping')
  assert.equal((await shipAt(b, alone)).attempt, 1, 'not queued while it may still run')
  await until(async () => (await shipAt(b, gone)).state === 'Stopping')
  await answerOf(b.admin.v1.ships[':ship'].$delete({ param: { ship: gone }, header: {} }))
  await report(client, stopped(alone), stopped(gone))
  const moved = await shipAt(a, alone)
  assert.deepEqual([moved.state, moved.attempt, moved.host], ['Queued', 2, null])
  assert.equal((await shipAt(a, gone)).state, 'Stopped', 'a person wanted it gone')
  assert.deepEqual((await hostAt(a, 'leaky')).drain?.left, 2)
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  assert.equal((await shipAt(a, used)).state, 'Allocated')
  assert.equal((await shipAt(a, ill)).state, 'Unhealthy')
  const { revision } = await hostAt(a, 'leaky')
  const json = { epoch, revision, stop: [{ ship: ill, attempt: 1 }], move: [{ ship: used, attempt: 1 }] }
  const step = a.runner.v1.controllers.drains[':host'].steps.$post({ param: { host: 'leaky' }, json })
  assert.deepEqual((await answerOf(step)).leaving, [], 'whatever the step says')
  await drain(a, 'leaky', 0)
  await until(async () => (await shipAt(a, used)).state === 'Stopping')
  await until(async () => (await shipAt(a, ill)).state === 'Stopping')
  await report(client, stopped(used), stopped(ill))
  assert.equal((await shipAt(b, used)).state, 'Stopped')
  await until(async () => (await hostAt(b, 'leaky')).drain?.state === 'Drained')
})

test('a drain: ships of a fleet are stopped and replaced elsewhere; called off, none leaves', async () => {
  const { a, b } = servers
  const { client } = await joinHost(a, 'port-side')
  await answerOf(a.admin.v1.fleets.$post({ json: { name: 'lobby', blueprint: 'arena', replicas: 2 } }))
  const fleet = () => answerOf(b.admin.v1.ships.$get({ query: { fleet: 'lobby' } }))
  await until(async () => (await fleet()).ships.length === 2)
  const attempts = (await fleet()).ships.map(({ id }) => ({ ship: id, attempt: 1 }))
  await claim(client, attempts)
  await report(client, ...attempts.map((of) => ({ ...of, state: 'Ready' as const })))
  await drain(a, 'port-side', 3_600)
  await uncordon(a, 'port-side')
  // On a busy machine the drain may have begun before it was called off; what it left alone stays.
  const statesOf = async () => {
    const { ships } = await fleet()
    return attempts.map(({ ship }) => ships.find(({ id }) => id === ship)?.state)
  }
  const states = await statesOf()
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  assert.deepEqual(await statesOf(), states, 'called off: nothing moves')
  await drain(b, 'port-side', 3_600)
  await until(async () => (await fleet()).ships.filter(({ state }) => state === 'Queued').length === 2)
  const left = (await fleet()).ships.filter(({ state }) => state === 'Stopping')
  assert.deepEqual(left.map(({ id }) => id).sort(), attempts.map(({ ship }) => ship).sort())
})

test('removal: refused with ships aboard; the credential dies, the nodes go, and forced ships are lost', async () => {
  const { a, b } = servers
  const { client, credential } = await joinHost(a, 'old')
  await appear('old')
  const [ship] = (await boardShips(a, client, 1)) as [string]
  await answerOf(
    client.v1.monitor.reports.$post({ json: { changes: [], holdings: [], host: null, ships: [] } }),
  )
  assert.ok(await adviceOn('old'))
  await refused(remove(b, 'old'), 'conflict', /carries \d+ ships .*drain/)
  const { lost } = await remove(b, 'old', 'true')
  assert.ok(lost.includes(ship))
  for (const path of [paths.worker('old'), paths.advisor('old')])
    assert.equal(await zk.exists(path), undefined)
  await refused(claim(b.as(credential), []), 'unauthenticated')
  await until(
    () =>
      claim(a.as(credential), []).then(
        () => false,
        () => true,
      ),
    1_000,
  )
  await until(async () => (await shipAt(a, ship)).state === 'Queued')
  assert.equal((await shipAt(a, ship)).attempt, 2)
  await refused(remove(a, 'old'), 'not_found')
  await refused(hostAt(a, 'old').then(), 'not_found')
})

test('a drain shows when its sessions will be over, as far as ships, matchmakers and people have said so', async () => {
  const { a, b } = servers
  const { client } = await joinHost(a, 'pledged')
  await publish(a, 'pledge', { sdk: 'agones' })
  const json = { blueprint: 'pledge', count: 4, labels: { of: 'pledge' } }
  const { ships } = await answerOf(a.admin.v1.ships.$post({ json, header: {} }))
  const ids = ships.map(({ id }) => id)
  const at = ids.map((ship) => ({ ship, attempt: 1 }))
  await claim(client, at)
  await report(client, ...at.map((of) => ({ ...of, state: 'Ready' as const })))
  const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()
  const [soon, later, last] = [inMs(600_000), inMs(1_200_000), inMs(7_200_000)]
  // What one said of a session before this one counts for nothing.
  const early = ids[0] as string
  const words = (ship: string, first: number, text: string) => {
    const said = [{ say: 'annotation' as const, key: 'done-by', value: text }]
    const json = { attempt: 1, first, words: said }
    return answerOf(client.v1.monitor.ships[':ship'].words.$post({ param: { ship }, json }))
  }
  const done = (ship: string, doneBy: string | null) =>
    answerOf(a.admin.v1.ships[':ship'].$patch({ param: { ship }, json: { doneBy }, header: {} }))
  await words(early, 1, new Date().toISOString())
  const selectors = [{ matchLabels: { of: 'pledge' } }]
  const annotations = { 'armada.dev/done-by': soon }
  const take = (more: object) =>
    answerOf(a.admin.v1.allocations.$post({ json: { selectors, ...more } as never, header: {} }))
  const promised = (await take({ annotations })).allocations[0]?.ship as string
  const others = (await take({ count: 3 })).allocations.map(({ ship }) => ship)
  const { drain: fresh } = await drain(b, 'pledged', 3_600)
  assert.equal(fresh?.expectedEnd, soon)
  assert.deepEqual([fresh?.left, fresh?.inUse, fresh?.unsaid, fresh?.late], [4, 4, 3, 0])
  const [one = '', two = '', three = ''] = others
  await words(one, one === early ? 2 : 1, later)
  await done(two, last)
  const shown = await hostAt(b, 'pledged')
  // After the deadline: whoever drains sees that it is too soon.
  assert.equal(shown.drain?.expectedEnd, last)
  assert.ok(Date.parse(last) > Date.parse(shown.drain?.deadline ?? ''))
  assert.deepEqual([shown.drain?.unsaid, shown.drain?.late], [1, 0])
  await words(three, three === early ? 2 : 1, 'when we have won')
  assert.equal((await hostAt(a, 'pledged')).drain?.unsaid, 1)
  await done(two, null)
  assert.deepEqual(
    [(await hostAt(a, 'pledged')).drain?.expectedEnd, (await hostAt(a, 'pledged')).drain?.unsaid],
    [later, 2],
  )
  await done(two, inMs(500))
  await until(async () => (await hostAt(b, 'pledged')).drain?.late === 1)
  assert.equal((await shipAt(b, promised)).state, 'Allocated', 'a promise ends nobody')
  // Nobody comes to it meanwhile.
  await refused(take({}), 'none_free')
  await uncordon(a, 'pledged')
  await refused(done('nobody', null), 'not_found')
  await refused(done(two, 'tomorrow'), 'invalid_request')
})

test('a step of an older leader, or on another picture of the host, is refused', async () => {
  const { a } = servers
  const { client } = await joinHost(a, 'fenced-two')
  const [ship] = (await boardShips(a, client, 1)) as [string]
  const { revision } = await cordon(a, 'fenced-two', '')
  const step = (at: number, seen: string) =>
    answerOf(
      a.runner.v1.controllers.drains[':host'].steps.$post({
        param: { host: 'fenced-two' },
        json: { epoch: at, revision: seen, stop: [{ ship, attempt: 1 }], move: [] },
      }),
    )
  await refused(step(epoch - 1, revision), 'stale_epoch')
  await refused(step(epoch, revision), 'revision_mismatch')
  assert.equal((await shipAt(a, ship)).state, 'Ready')
})

test.run()
