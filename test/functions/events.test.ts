// Events on two ApiServers over real stores: histories, the stream, and going on where one left off.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { suite } from 'uvu'
import { readLog } from '../../functions/services/watch/logReader.ts'
import { EventLog } from '../../functions/stores/mirror/eventLog.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import type { ArmadaEvent } from '../../shared/model/event.ts'
import { type ApiServer, adminToken, startApiServer } from '../harness/apiServer.ts'
import { compact, type Reading, read, stopReading } from '../harness/stream.ts'
import {
  claim,
  joinHost,
  publish,
  refused,
  report,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('events')
const path = '/v1/events?watch=true'
let servers: TwoServers
let host: Awaited<ReturnType<typeof joinHost>>

test.before(async () => {
  servers = await startTwoServers()
  await publish(servers.a, 'arena')
  host = await joinHost(servers.a, 'host-one')
})
test.after(async () => {
  stopReading()
  await servers?.stop()
})

async function create(api: ApiServer, count = 1): Promise<string[]> {
  const json = { blueprint: 'arena', count }
  return (await answerOf(api.admin.v1.ships.$post({ json, header: {} }))).ships.map(({ id }) => id)
}

/** Claimed, Ready, stopped, ended: four events each beside the first. */
async function live(ships: readonly string[], apis: readonly [ApiServer, ApiServer]): Promise<void> {
  const [one, two] = apis.map((api) => api.as(host.credential)) as [ApiServer['admin'], ApiServer['admin']]
  await claim(
    one,
    ships.map((ship) => ({ ship, attempt: 1 })),
  )
  await report(two, ...ships.map((ship) => ({ ship, attempt: 1, state: 'Ready' as const })))
  await Promise.all(
    ships.map((ship, i) =>
      answerOf((apis[i % 2] as ApiServer).admin.v1.ships[':ship'].$delete({ param: { ship }, header: {} })),
    ),
  )
  const ended = { attempt: 1, state: 'Stopped' as const, reason: 'asked', exit: null }
  await report(one, ...ships.map((ship) => ({ ship, ...ended })))
}
interface PageQuery {
  ship: string
  limit: string
  before?: string
}
interface Page {
  events: ArmadaEvent[]
  nextBefore: string | null
}
const steps = ['Queued', 'Starting', 'Ready', 'Stopping', 'Stopped']

const eventsIn = (reading: Reading): ArmadaEvent[] =>
  reading.got.flatMap(({ event, data }) => (event === 'event' ? [JSON.parse(data)] : []))
const countOf = (reading: Reading, name: string) => reading.got.filter(({ event }) => event === name).length
const historyOf = async (api: ApiServer, ship: string) =>
  (await answerOf(api.admin.v1.ships[':ship'].events.$get({ param: { ship } }))).events

/** Every event of these ships just once, in order for each ship, and none too many. */
function assertWhole(events: readonly ArmadaEvent[], ships: readonly string[]): void {
  const ids = events.map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length, 'no event twice')
  for (const ship of ships) {
    const own = events.filter((event) => event.ship === ship)
    assert.deepEqual(
      own.map(({ state }) => state),
      steps,
      ship,
    )
    assert.deepEqual(
      own.map(({ number }) => number),
      [1, 2, 3, 4, 5],
      ship,
    )
  }
}

async function wholeSoon(reading: Reading, ships: readonly string[]): Promise<void> {
  const wanted = new Set(ships)
  const mine = () => eventsIn(reading).filter(({ ship }) => ship && wanted.has(ship))
  await until(() => mine().length >= ships.length * steps.length, 30_000)
  await reading.stop()
  assertWhole(mine(), ships)
}

test('a ship remembers what happened to it, with reasons; a repeated refusal is told once', async () => {
  const { a, b } = servers
  const [ship] = (await create(a)) as [string]
  const epoch = await a.lead('scheduler')
  for (const reason of ['no host has room', '4 hosts: not enough memory']) {
    const json = { epoch, placed: [], refused: [{ ship, attempt: 1, reason }], waiting: [] }
    await answerOf(a.runner.v1.placements.$post({ json }))
  }
  await live([ship], [a, b])
  const told = (await historyOf(b, ship)).map(({ number, type, host, reason }) => [
    number,
    type,
    host,
    reason,
  ])
  assert.deepEqual(told, [
    [1, 'ship.queued', null, null],
    [3, 'ship.refused', null, '4 hosts: not enough memory'],
    [4, 'ship.starting', 'host-one', null],
    [5, 'ship.ready', 'host-one', null],
    [6, 'ship.stopping', 'host-one', 'stopped by admin'],
    [7, 'ship.stopped', 'host-one', 'asked'],
  ])
  await refused(historyOf(b, 'nobody'), 'not_found')
  const view = await answerOf(b.admin.v1.ships[':ship'].$get({ param: { ship } }))
  assert.ok(!('history' in view))
})

test('a history is bounded, and a record of an older version begins one', async () => {
  const { a } = servers
  const [ship] = (await create(a)) as [string]
  const key = `/armada/ships/${ship}`
  const row = await a.stores.kv.get(key)
  const { history: _, ...old } = JSON.parse(row?.value ?? '')
  await a.stores.kv.commit([], [{ put: key, value: JSON.stringify(old) }])
  assert.deepEqual(await historyOf(a, ship), [])
  await claim(host.client, [{ ship, attempt: 1 }])
  for (let i = 0; i < 12; i++) {
    await report(host.client, { ship, attempt: 1, state: 'Ready' })
    await report(host.client, { ship, attempt: 1, state: 'Unhealthy', reason: 'x'.repeat(1_000) })
  }
  const events = await historyOf(a, ship)
  assert.deepEqual(
    events.map(({ number }) => number),
    Array.from({ length: 16 }, (_, i) => i + 10),
  )
  assert.ok(events.every(({ reason }) => (reason?.length ?? 0) <= 200))
})

test('a fleet remembers who made, scaled, revised and deleted it', async () => {
  const { a, b } = servers
  const reading = read(b, `${path}&fleet=lobby`)
  await until(() => countOf(reading, 'bookmark') > 0)
  await answerOf(a.admin.v1.fleets.$post({ json: { name: 'lobby', blueprint: 'arena', replicas: 2 } }))
  await publish(a, 'arena', { env: { MAP: 'dm2' } })
  const change = (json: object) =>
    answerOf(a.admin.v1.fleets[':fleet'].$patch({ param: { fleet: 'lobby' }, json, header: {} }))
  await change({ replicas: 5, revision: 2 })
  await change({ replicas: 5 })
  const param = { fleet: 'lobby' }
  const { revision } = await answerOf(a.admin.v1.fleets[':fleet'].$delete({ param, header: {} }))
  const told = [
    ['fleet.created', '2 ships, by admin'],
    ['fleet.scaled', 'from 2 to 5 by admin'],
    ['fleet.revised', 'from 1 to 2 by admin'],
    ['fleet.deleting', 'by admin'],
  ]
  const { events } = await answerOf(b.admin.v1.fleets[':fleet'].events.$get({ param }))
  assert.deepEqual(
    events.map(({ type, reason }) => [type, reason]),
    told,
  )
  const epoch = await a.lead('controllers')
  const json = { epoch, revision, create: 0, stop: [], forget: true }
  await answerOf(a.runner.v1.fleets[':fleet'].steps.$post({ param, json }))
  await until(() => eventsIn(reading).length === 5)
  await reading.stop()
  assert.deepEqual(
    eventsIn(reading).map(({ type, number }) => [type, number]),
    [...told.map(([type], i) => [type, i + 1]), ['fleet.deleted', 5]],
  )
  await refused(answerOf(b.admin.v1.fleets[':fleet'].events.$get({ param })), 'not_found')
})

test('each event once and in order, over connections that break and alternate while changes go on', async () => {
  const { a, b } = servers
  const { position } = await answerOf(a.admin.v1.events.$get({ query: {} }))
  const ships: string[] = []
  let over = false
  const changing = (async () => {
    for (let i = 0; i < 12; i++) {
      const made = await create(i % 2 ? a : b, 5)
      ships.push(...made)
      await live(made, i % 2 ? [a, b] : [b, a])
    }
    over = true
  })()
  const seen: ArmadaEvent[] = []
  let lastEventId = position
  for (let turn = 0; !over || seen.length < ships.length * steps.length; turn++) {
    assert.ok(turn < 2_000, `${seen.length} events after ${turn} connections`)
    const reading = read(turn % 2 ? a : b, path, { lastEventId })
    // Cut off within a commit as often as behind one.
    const cut = 1 + (turn % 7)
    // In the end there may be fewer left than that: then the bookmark is behind the last one.
    await until(() => reading.got.length >= cut || (over && countOf(reading, 'bookmark') > 0), 60_000)
    await reading.stop()
    seen.push(...eventsIn(reading))
    lastEventId = reading.lastId() as string
  }
  await changing
  assertWhole(seen, ships)
  assert.equal(seen.length, ships.length * steps.length)
})

test('a new ApiServer goes on where another one ended; all of them give the same ids', async () => {
  const { a, b, stack } = servers
  const { position } = await answerOf(a.admin.v1.events.$get({ query: {} }))
  const ships = await create(a, 20)
  await live(ships, [a, b])
  const c = await startApiServer(stack)
  try {
    const readings = [a, b, c].map((api) => read(api, path, { lastEventId: position }))
    for (const reading of readings) await wholeSoon(reading, ships)
    const [first, ...others] = readings.map(eventsIn)
    for (const other of others) assert.deepEqual(other, first)
  } finally {
    await c.close()
  }
})

test('when a server shuts down its streams end, and their readers go on at another one', async () => {
  const { a, b, stack } = servers
  const c = await startApiServer(stack)
  const reading = read([c, a], path)
  await until(() => countOf(reading, 'bookmark') > 0)
  const early = await create(a, 3)
  await live(early, [a, b])
  await until(() => eventsIn(reading).length > 0)
  await c.close()
  const late = await create(b, 3)
  await live(late, [a, b])
  await wholeSoon(reading, [...early, ...late])
})

test('what memory has lost comes from etcd: the same events with the same ids', async () => {
  const { a, b } = servers
  const { kv, eventLog, mirror } = a.stores
  const from = eventLog.revision
  await live(await create(b, 30), [a, b])
  await mirror.catchUp()
  const small = new EventLog({ kv, log: createLog('test', 'silent'), capacity: 4 })
  small.listing()
  small.listed(eventLog.revision)
  await until(async () => (await small.covers(eventLog.revision)) && small.from > from)
  const idsOf = async (log: EventLog) => {
    const ids: string[] = []
    for await (const { entries, revision } of readLog(log, from, 1_000, new AbortController().signal)) {
      for (const { events } of entries)
        for (const { id, ship, number } of events) ids.push(`${id} ${ship} ${number}`)
      if (revision !== undefined) return ids
    }
    throw new Error('fell behind')
  }
  const ids = await idsOf(small)
  assert.equal(ids.length, 150)
  assert.deepEqual(ids, await idsOf(eventLog))
})

test('etcd restarts: no event is lost and none comes twice', async () => {
  const { a, b, stack } = servers
  const reading = read(b, path)
  await until(() => countOf(reading, 'bookmark') > 0)
  const early = await create(a, 10)
  await live(early, [a, b])
  await stack.etcd.kill()
  await stack.etcd.restart()
  let late: string[] = []
  await until(async () => {
    late = await create(a, 10).catch(() => [])
    return late.length > 0
  })
  await live(late, [a, b])
  await wholeSoon(reading, [...early, ...late])
  assert.equal(countOf(reading, 'reset'), 0)
})

test('after a compaction who comes back to a new server is told to list again, and misses nothing from then on', async () => {
  const { a, b, stack } = servers
  const { position } = await answerOf(a.admin.v1.events.$get({ query: {} }))
  const missed = await create(a, 2)
  await live(missed, [a, b])
  await compact(stack)
  const c = await startApiServer(stack)
  try {
    // Those that were there know it still.
    await wholeSoon(read(a, path, { lastEventId: position }), missed)
    const reading = read(c, path, { lastEventId: position })
    await until(() => reading.got.length > 0)
    assert.equal(reading.got[0]?.event, 'reset')
    assert.ok(Number(reading.got[0]?.id) > Number(position))
    const ships = await create(a, 2)
    await live(ships, [a, b])
    await wholeSoon(reading, ships)
    assert.ok(!eventsIn(reading).some(({ ship }) => ship && missed.includes(ship)))
    const ahead = read(c, path, { lastEventId: '999999999' })
    await until(() => ahead.got.length > 0)
    assert.equal(ahead.got[0]?.event, 'reset', 'from a store that was set back since')
    await ahead.stop()
  } finally {
    await c.close()
  }
})

test('pages of the past: newest first, filtered, whole', async () => {
  const { a, b } = servers
  const ships = await create(a, 3)
  await live(ships, [a, b])
  const [ship = ''] = ships
  await b.stores.mirror.catchUp()
  const seen: ArmadaEvent[] = []
  for (let query: PageQuery | undefined = { ship, limit: '2' }; query; ) {
    const { events, nextBefore }: Page = await answerOf(b.admin.v1.events.$get({ query }))
    seen.push(...events)
    query = nextBefore === null ? undefined : { ship, limit: '2', before: nextBefore }
  }
  assertWhole(seen.toReversed(), [ship])
  const since = seen.at(-2)?.id ?? ''
  const later = await answerOf(
    b.admin.v1.events.$get({ query: { ship, since, type: 'ship.ready,ship.stopped' } }),
  )
  assert.deepEqual(
    later.events.map(({ type }) => type),
    ['ship.stopped', 'ship.ready'],
  )
  await refused(answerOf(b.admin.v1.events.$get({ query: { since: 'yesterday' } })), 'invalid_request')
  const headers = { authorization: `Bearer ${adminToken}`, 'last-event-id': 'yesterday' }
  assert.equal((await fetch(b.url + path, { headers })).status, 400)
})

test('a caller holds so many streams and a server serves so many; a reader that takes nothing is cut off', async () => {
  const { a, stack } = servers
  const c = await startApiServer(stack, { streams: { total: 3, perCaller: 2, stallMs: 300 } })
  try {
    const open = (token: string) =>
      fetch(c.url + path, {
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(60_000),
      })
    const [one, two] = [await open(adminToken), await open(adminToken)]
    const third = await open(adminToken)
    assert.equal(third.status, 429)
    assert.equal(((await third.json()) as { code: string }).code, 'too_many_streams')
    const runner = await open('test-runner-token-0123456789')
    assert.equal((await open('test-runner-token-0123456789')).status, 503)
    for (const { body } of [one, two, runner]) await body?.cancel()
    await until(() => c.desk.size === 0)

    // 8 MB of ships, more than all buffers on the way take.
    const labels = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`label-${i}`, 'x'.repeat(63)]))
    const json = { blueprint: 'arena', count: 1_000, labels }
    for (let i = 0; i < 3; i++) await answerOf(a.admin.v1.ships.$post({ json, header: {} }))
    const deaf = connect(Number(new URL(c.url).port), '127.0.0.1')
    deaf.on('error', () => undefined)
    deaf.pause()
    deaf.write(`GET /v1/ships?watch=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminToken}\r\n\r\n`)
    await until(() => c.desk.size > 0)
    await until(() => c.desk.size === 0, 30_000)
    deaf.destroy()
  } finally {
    await c.close()
  }
})

test.run()
