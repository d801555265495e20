// What ships say through their SDK: taken once each, in order, durable, from their own host only, seen by its stream.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { eventStream } from '../../shared/api/eventStream.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import { ShipSelf, type Word } from '../../shared/model/word.ts'
import {
  boardShips,
  joinHost,
  publish,
  refused,
  report,
  shipAt,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('words')
let servers: TwoServers
let host: Client
let credential: string

test.before(async () => {
  servers = await startTwoServers()
  const counters = { rooms: { count: 0, capacity: 5 } }
  const lists = { players: { values: [], capacity: 2 } }
  await publish(servers.a, 'arena', { probe: { type: 'sdk' }, counters, lists })
  ;({ client: host, credential } = await joinHost(servers.a, 'host-one'))
})
test.after(() => servers?.stop())

const board = async (ready = false) => (await boardShips(servers.a, host, 1, ready))[0] as string
function tell(ship: string, first: number, words: Word[], attempt = 1, by = host) {
  const json = { attempt, first, words }
  return answerOf(by.v1.monitor.ships[':ship'].words.$post({ param: { ship }, json }))
}
const rooms = (add: number): Word => ({ say: 'counter', name: 'rooms', add })

test('a word is taken once, however often it is sent; the first that is refused ends the request', async () => {
  const ship = await board()
  const first = await tell(ship, 10, [{ say: 'ready' }, rooms(2), rooms(1)])
  assert.deepEqual([first.taken, first.refused], [3, null])
  const again = await tell(ship, 10, [{ say: 'ready' }, rooms(2), rooms(1)])
  assert.deepEqual([again.taken, again.self.counters], [3, { rooms: { count: 3, capacity: 5 } }])
  const cut = await tell(ship, 13, [rooms(1), rooms(9), rooms(1)])
  assert.deepEqual([cut.taken, cut.refused?.code], [1, 'OUT_OF_RANGE'])
  const resent = await tell(ship, 13, [rooms(1), rooms(9), rooms(1)])
  assert.deepEqual([resent.taken, resent.refused?.code], [1, 'OUT_OF_RANGE'])
  const rest = await tell(ship, 15, [rooms(1)])
  assert.deepEqual(rest.self.counters, { rooms: { count: 5, capacity: 5 } })
  const view = await shipAt(servers.a, ship)
  assert.deepEqual([view.state, view.counters], ['Ready', { rooms: { count: 5, capacity: 5 } }])
  assert.ok(!('said' in view))
})

test('many at once, over two ApiServers: nothing is lost', async () => {
  const ship = await board()
  await tell(ship, 1, [{ say: 'counter', name: 'rooms', capacity: 1_000 }])
  const patch = (label: string) =>
    answerOf(
      servers.b.admin.v1.ships[':ship'].$patch({
        ...{ param: { ship }, json: { labels: { [label]: 'x' } }, header: {} },
      }),
    )
  const words = async () => {
    for (let i = 0; i < 20; i++)
      await tell(ship, 2 + i, [rooms(1)], 1, i % 2 ? host : servers.b.as(credential))
  }
  await Promise.all([words(), ...Array.from({ length: 5 }, (_, i) => patch(`l${i}`))])
  const { counters, labels } = await shipAt(servers.a, ship)
  assert.equal(counters?.rooms?.count, 20)
  assert.equal(Object.keys(labels).length, 5)
})

test('only the host that carries the attempt speaks for it', async () => {
  const ship = await board()
  const { client: other } = await joinHost(servers.a, 'host-two')
  await refused(tell(ship, 1, [{ say: 'ready' }], 1, other), 'conflict', /host "host-two"/)
  await refused(tell(ship, 1, [{ say: 'ready' }], 2), 'conflict')
  await refused(tell('nowhere', 1, [{ say: 'ready' }]), 'conflict')
  assert.equal((await shipAt(servers.a, ship)).state, 'Starting')
})

test('a ship labels itself with a prefix, and cannot touch what others gave it', async () => {
  const ship = await board()
  const said = await tell(ship, 1, [{ say: 'label', key: 'mode', value: 'duel' }])
  assert.deepEqual(said.self.labels, { 'agones.dev/sdk-mode': 'duel' })
  for (const word of [
    { say: 'label', key: 'a b', value: 'x' },
    { say: 'annotation', key: '', value: 'x' },
  ] as const) {
    assert.equal((await tell(ship, 2, [word])).refused?.code, 'INVALID_ARGUMENT')
  }
  const large: Word[] = Array.from({ length: 3 }, (_, i) => ({
    ...{ say: 'annotation', key: `k${i}`, value: 'x'.repeat(4_000) },
  }))
  const full = await tell(ship, 2, large)
  assert.deepEqual([full.taken, full.refused?.code], [2, 'RESOURCE_EXHAUSTED'])
})

test('a ship in use that was unhealthy for a moment is in use again', async () => {
  const ship = await board()
  await tell(ship, 1, [{ say: 'ready' }, { say: 'allocate' }])
  const unwell = { ship, attempt: 1, state: 'Unhealthy' as const, reason: 'no ping' }
  await report(host, unwell)
  assert.equal((await shipAt(servers.a, ship)).state, 'Unhealthy')
  await report(host, { ship, attempt: 1, state: 'Ready' })
  assert.equal((await shipAt(servers.a, ship)).state, 'Allocated')
  await tell(ship, 3, [{ say: 'reserve', seconds: 600 }])
  const { reservedUntil } = await shipAt(servers.a, ship)
  await report(host, unwell)
  await report(host, { ship, attempt: 1, state: 'Ready' })
  const back = await shipAt(servers.a, ship)
  assert.deepEqual([back.state, back.reservedUntil], ['Reserved', reservedUntil])
  const other = new Date(0).toISOString()
  assert.equal((await tell(ship, 4, [{ say: 'expire', until: other }])).self.state, 'Reserved')
  assert.equal((await tell(ship, 5, [{ say: 'expire', until: reservedUntil ?? '' }])).self.state, 'Ready')
})

test('a ship that is being stopped stays on its way; a new attempt starts with what the blueprint says', async () => {
  const ship = await board()
  const label: Word = { say: 'label', key: 'mode', value: 'duel' }
  await tell(ship, 1, [{ say: 'ready' }, rooms(3), label])
  const change = { ship, attempt: 1, state: 'Returned' as const, reason: 'gone', fault: false, exit: null }
  await report(host, change)
  await answerOf(host.v1.monitor.claims.$post({ json: { claims: [{ ship, attempt: 2, ports: {} }] } }))
  const anew = await tell(ship, 4, [], 2)
  assert.deepEqual([anew.self.counters.rooms?.count, anew.self.labels], [0, {}])
  const ended = await tell(ship, 4, [{ say: 'shutdown' }, { say: 'ready' }], 2)
  assert.deepEqual([ended.taken, ended.self.state], [2, 'Stopping'])
})

test("the host's stream shows each change at once, whoever made it", async () => {
  const ship = await board()
  const seen: ShipSelf[] = []
  const over = new AbortController()
  const reading = (async () => {
    const at = { url: `${servers.b.url}/v1/monitor/stream`, token: credential, signal: over.signal }
    for await (const { event, data } of eventStream(at)) {
      if (event === 'ship') seen.push(ShipSelf.parse(JSON.parse(data)))
    }
  })()
  const param = { ship }
  const label = () =>
    answerOf(
      servers.a.admin.v1.ships[':ship'].$patch({
        param,
        json: { labels: { at: `${Date.now()}` } },
        header: {},
      }),
    )
  await until(async () => {
    await label()
    return seen.some((self) => self.ship === ship && self.labels.at !== undefined)
  })
  over.abort()
  await reading
})

test('blueprints: what does not fit together is refused with the reason', () => {
  const wrong = (spec: object) => BlueprintSpec.safeParse({ image: 'a', ...spec }).error?.issues[0]?.message
  assert.match(wrong({ probe: { type: 'sdk' }, sdk: 'none' }) ?? '', /waits for the word of the ship/)
  assert.match(wrong({ counters: { rooms: { count: 2, capacity: 1 } } }) ?? '', /more than the capacity/)
  assert.match(wrong({ lists: { l: { values: ['a', 'a'], capacity: 3 } } }) ?? '', /stands twice/)
  const values = Array.from({ length: 100 }, (_, i) => `${i}${'x'.repeat(200)}`)
  assert.match(wrong({ lists: { l: { values, capacity: 100 } } }) ?? '', /8192 bytes/)
})

test.run()
