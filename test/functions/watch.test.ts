// Watching lists on two ApiServers over real stores: what a reader puts together is what the list shows.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf } from '../../shared/api/client.ts'
import { type ApiServer, startApiServer } from '../harness/apiServer.ts'
import { compact, type Reading, read, stopReading } from '../harness/stream.ts'
import { TcpProxy } from '../harness/tcpProxy.ts'
import { claim, joinHost, publish, report, startTwoServers, type TwoServers } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('watch')
let servers: TwoServers

test.before(async () => {
  servers = await startTwoServers({ balanced: false })
  await publish(servers.a, 'arena')
})
test.after(async () => {
  stopReading()
  await servers?.stop()
})

async function create(api: ApiServer, labels: Record<string, string>, count = 1): Promise<string[]> {
  const json = { blueprint: 'arena', count, labels }
  return (await answerOf(api.admin.v1.ships.$post({ json, header: {} }))).ships.map(({ id }) => id)
}
const label = (api: ApiServer, ship: string, labels: Record<string, string | null>) =>
  answerOf(api.admin.v1.ships[':ship'].$patch({ param: { ship }, json: { labels }, header: {} }))

type Model = Map<string, Record<string, unknown>>

/** What a reader knows that does as it is told; `reset` forgets everything. */
function modelOf(reading: Reading, known: Model = new Map()): Model {
  for (const { event, data } of reading.got) {
    const { id, name, ...rest } = JSON.parse(data)
    if (event === 'reset') known.clear()
    if (event === 'put') known.set(id ?? name, rest)
    if (event === 'delete') known.delete(id ?? name)
  }
  return known
}
const namesIn = (reading: Reading, event: string): string[] =>
  reading.got.flatMap((one) =>
    one.event === event ? [JSON.parse(one.data).id ?? JSON.parse(one.data).name] : [],
  )
const marked = (reading: Reading) => until(() => reading.got.some(({ event }) => event === 'bookmark'))

test('all that is there, a bookmark, then what comes, changes and goes; a label decides', async () => {
  const { a, b } = servers
  const [one, two] = (await create(a, { tier: 'gold' }, 2)) as [string, string]
  await create(a, { tier: 'iron' })
  await b.stores.mirror.catchUp()
  const reading = read(b, '/v1/ships?watch=true&labelSelector=tier=gold')
  await marked(reading)
  assert.deepEqual(namesIn(reading, 'put'), [one, two].sort())
  assert.equal(reading.got.at(-1)?.event, 'bookmark')
  const shown = await answerOf(b.admin.v1.ships.$get({ query: { labelSelector: 'tier=gold' } }))
  assert.deepEqual(
    reading.got.slice(0, 2).map(({ data }) => JSON.parse(data)),
    shown.ships,
  )
  await label(a, one, { tier: 'iron' })
  await until(() => namesIn(reading, 'delete').includes(one))
  await label(a, one, { more: 'iron' })
  await label(b, one, { tier: 'gold' })
  await until(() => namesIn(reading, 'put').length === 3)
  const [three = ''] = await create(b, { tier: 'gold' })
  await until(() => namesIn(reading, 'put').length === 4)
  await reading.stop()
  assert.deepEqual(namesIn(reading, 'put').slice(2), [one, three])
  assert.deepEqual(namesIn(reading, 'delete'), [one])
})

test('who comes back to another server is told only what changed meanwhile, also what is gone', async () => {
  const { a, b } = servers
  const path = '/v1/ships?watch=true&labelSelector=round=two'
  const [stays, leaves, ends] = (await create(a, { round: 'two' }, 3)) as [string, string, string]
  const first = read(a, path)
  await marked(first)
  await first.stop()
  const model = modelOf(first)
  assert.equal(model.size, 3)
  await label(b, leaves, { round: null })
  await answerOf(b.admin.v1.ships[':ship'].$delete({ param: { ship: ends }, header: {} }))
  const decisions = [{ ship: ends, attempt: 1, to: 'Forgotten' as const, reason: '' }]
  const json = { epoch: await b.lead('controllers'), decisions }
  assert.deepEqual((await answerOf(b.runner.v1.controllers.decisions.$post({ json }))).moved, [ends])
  const [comes = ''] = await create(a, { round: 'two' })
  const c = await startApiServer(servers.stack)
  try {
    for (const api of [b, c]) {
      const second = read(api, path, { lastEventId: first.lastId() as string })
      await until(() => modelOf(second, new Map(model)).size === 2)
      await second.stop()
      assert.deepEqual(namesIn(second, 'put'), [comes])
      assert.deepEqual(namesIn(second, 'delete').sort(), [leaves, ends].sort())
      assert.deepEqual([...modelOf(second, new Map(model)).keys()].sort(), [stays, comes].sort())
    }
  } finally {
    await c.close()
  }
})

test('a reader whose connections break and alternate knows in the end what the list shows', async () => {
  const { a, b } = servers
  const path = '/v1/ships?watch=true&labelSelector=team in (red,blue)'
  let over = false
  const changing = (async () => {
    const teams = ['red', 'blue', 'green']
    const ships = await create(a, { team: 'red' }, 20)
    for (let i = 0; i < 200; i++) {
      const api = i % 2 ? a : b
      const ship = ships[(i * 7) % ships.length] as string
      if (i % 10 === 0) ships.push(...(await create(api, { team: 'blue' }, 2)))
      await label(api, ship, { team: teams[(i * 5) % 3] as string, turn: String(i) })
    }
    over = true
  })()
  const model: Model = new Map()
  let lastEventId: string | undefined
  for (let turn = 0; !over; turn++) {
    const reading = read(turn % 2 ? a : b, path, lastEventId === undefined ? {} : { lastEventId })
    const cut = 1 + (turn % 9)
    await until(() => over || reading.got.length >= cut, 20_000)
    await reading.stop()
    modelOf(reading, model)
    lastEventId = reading.lastId()
  }
  await changing
  await a.stores.mirror.catchUp()
  const last = read(a, path, lastEventId === undefined ? {} : { lastEventId })
  const { ships } = await answerOf(
    a.admin.v1.ships.$get({ query: { limit: '1000', labelSelector: 'team in (red,blue)' } }),
  )
  const wanted = new Map(ships.map(({ id, ...rest }) => [id, rest as Record<string, unknown>]))
  await until(() => {
    const known = modelOf(last, new Map(model))
    return (
      known.size === wanted.size &&
      [...wanted].every(([id, { revision }]) => known.get(id)?.revision === revision)
    )
  })
  await last.stop()
  const known = modelOf(last, model)
  for (const [id, record] of wanted) assert.deepEqual(known.get(id), record)
})

test('fleets show the numbers of their ships, hosts what was ordered of them', async () => {
  const { a, b } = servers
  const { client } = await joinHost(a, 'watched')
  const fleets = read(b, '/v1/fleets?watch=true')
  const hosts = read(b, '/v1/hosts?watch=true')
  await Promise.all([marked(fleets), marked(hosts)])
  const { revision } = await answerOf(
    a.admin.v1.fleets.$post({ json: { name: 'lobby', blueprint: 'arena', replicas: 2 } }),
  )
  const epoch = await a.lead('controllers')
  const json = { epoch, revision, create: 2, stop: [], forget: false }
  const param = { fleet: 'lobby' }
  const { created } = await answerOf(a.runner.v1.fleets[':fleet'].steps.$post({ param, json }))
  const attempts = created.map((ship) => ({ ship, attempt: 1 }))
  await claim(client, attempts)
  await report(client, ...attempts.map((of) => ({ ...of, state: 'Ready' as const })))
  await until(() => JSON.stringify(modelOf(fleets).get('lobby')?.ships) === '{"Ready":2}')
  await until(() => modelOf(hosts).get('watched')?.ships === 2)
  await answerOf(
    a.admin.v1.hosts[':host'].cordon.$post({ param: { host: 'watched' }, json: { reason: 'x' } }),
  )
  await until(() => Boolean(modelOf(hosts).get('watched')?.cordon))
  const query = { force: 'true' }
  await answerOf(a.admin.v1.hosts[':host'].$delete({ param: { host: 'watched' }, query }))
  await until(() => namesIn(hosts, 'delete').includes('watched'))
  await Promise.all([fleets.stop(), hosts.stop()])
})

test('a host that falls silent is told without any record having changed', async () => {
  const { a, b } = servers
  const { client } = await joinHost(a, 'quiet')
  const sample = { cpuMillis: 1, memoryMiB: 1, load1: 0, diskFreeMiB: null, degraded: null }
  const json = { changes: [], holdings: null, host: sample, ships: [] }
  await answerOf(client.v1.monitor.reports.$post({ json }))
  const hosts = read(b, '/v1/hosts?watch=true')
  await marked(hosts)
  assert.equal(modelOf(hosts).get('quiet')?.state, 'Online')
  await until(() => modelOf(hosts).get('quiet')?.state === 'Silent', 60_000)
  await hosts.stop()
})

test('a token that is limited to fleets is told of those only, and of nothing once it is taken back', async () => {
  const { a, b } = servers
  const token = await answerOf(
    a.admin.v1.tokens.$post({ json: { name: 'team', role: 'viewer', fleets: ['own-*'] } }),
  )
  const options = { token: token.secret, lastEventId: String(a.stores.eventLog.revision) }
  const paths = ['/v1/events', '/v1/ships', '/v1/fleets'].map((path) => `${path}?watch=true`)
  const readings = paths.map((path) => read(b, path, options))
  await Promise.all(readings.map(marked))
  const epoch = await a.lead('controllers')
  for (const name of ['other', 'own-lobby']) {
    const json = { name, blueprint: 'arena', replicas: 1 }
    const { revision } = await answerOf(a.admin.v1.fleets.$post({ json }))
    const step = { epoch, revision, create: 1, stop: [], forget: false }
    await answerOf(a.runner.v1.fleets[':fleet'].steps.$post({ param: { fleet: name }, json: step }))
  }
  await create(a, { loose: 'yes' })
  const tells = (reading: Reading) => reading.got.filter(({ event }) => event !== 'bookmark')
  await until(() =>
    readings.every((reading) => tells(reading).some(({ data }) => data.includes('own-lobby'))),
  )
  for (const reading of readings)
    for (const { data } of tells(reading)) assert.match(data, /"(fleet|name)":"own-lobby"/)
  const before = b.desk.size
  await answerOf(a.admin.v1.tokens[':token'].$delete({ param: { token: 'team' } }))
  await until(() => b.desk.size === before - readings.length)
  for (const reading of readings) await reading.failed('unauthenticated')
})

test('what etcd has compacted is told anew: a reset, then everything', async () => {
  const { a, stack } = servers
  const path = '/v1/ships?watch=true&labelSelector=round=five'
  const [stays, goes] = (await create(a, { round: 'five' }, 2)) as [string, string]
  const first = read(a, path)
  await marked(first)
  await first.stop()
  await label(a, goes, { round: null })
  await compact(stack)
  const c = await startApiServer(stack)
  try {
    const second = read(c, path, { lastEventId: first.lastId() as string })
    await marked(second)
    await second.stop()
    assert.deepEqual(
      second.got.map(({ event }) => event),
      ['reset', 'put', 'bookmark'],
    )
    assert.deepEqual([...modelOf(second, modelOf(first)).keys()], [stays])
  } finally {
    await c.close()
  }
})

test('a server that etcd was compacted behind says so to readers of events, and its lists go on', async () => {
  const { a, stack } = servers
  const proxy = await TcpProxy.start(Number(new URL(stack.etcd.address).port))
  const etcd = { ...stack.etcd, address: `http://${proxy.address}` }
  const cut = await startApiServer({ ...stack, etcd })
  try {
    const [ship, gone] = (await create(a, { round: 'six' }, 2)) as [string, string]
    await cut.stores.mirror.catchUp()
    const events = read(cut, '/v1/events?watch=true')
    const list = read(cut, '/v1/ships?watch=true&labelSelector=round=six')
    await Promise.all([marked(events), marked(list)])
    proxy.refusing = true
    proxy.cut()
    await until(() => !cut.stores.mirror.connected)
    await label(a, gone, { round: null })
    await answerOf(a.admin.v1.ships[':ship'].$delete({ param: { ship }, header: {} }))
    const now = await compact(stack)
    proxy.refusing = false
    await until(() => events.got.some(({ event }) => event === 'reset'), 30_000)
    const reset = events.got.find(({ event }) => event === 'reset')
    assert.ok(Number(reset?.id) >= now)
    const told = events.got.flatMap(({ event, data }) => (event === 'event' ? [JSON.parse(data)] : []))
    assert.deepEqual(
      told.map(({ ship, state }) => [ship, state]),
      [[ship, 'Stopped']],
    )
    await until(() => modelOf(list).get(ship)?.state === 'Stopped' && !modelOf(list).has(gone))
    const [next = ''] = await create(a, { round: 'six' })
    await until(() => modelOf(list).has(next) && events.got.some(({ data }) => data.includes(next)))
    await Promise.all([events.stop(), list.stop()])
  } finally {
    await cut.close()
    await proxy.close()
  }
})

test.run()
