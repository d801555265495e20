// Ships that several sessions share, and requests that share a commit: none is in the way of the others.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { lose } from '../../functions/services/changes/lifecycle.ts'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { sleep } from '../../shared/loop.ts'
import { adminToken } from '../harness/apiServer.ts'
import { fleetAboard } from '../harness/fleetAboard.ts'
import {
  describeHost,
  joinHost,
  publish,
  report,
  shipAt,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('sharing')
let servers: TwoServers
let north: Client

type Wanted = Parameters<Client['v1']['allocations']['$post']>[0]['json']

test.before(async () => {
  servers = await startTwoServers()
  await publish(servers.a, 'arena', { ports: [] })
  const counters = { rooms: { count: 0, capacity: 16 } }
  await publish(servers.a, 'hall', {
    ports: [],
    counters,
    lists: { players: { values: ['owl'], capacity: 8 } },
  })
  north = (await joinHost(servers.a, 'north')).client
})
test.after(() => servers?.stop())

const fleet = (name: string, blueprint: string, count: number) =>
  fleetAboard(servers.a, { name, blueprint }, [north, count])
/** More ships than one step of a fleet makes, told by a label. @returns when the first server knows them. */
async function pool(name: string, count: number, labels: object = {}, spec: object = {}) {
  await publish(servers.a, name, { ports: [], labels: { pool: name, ...labels }, ...spec })
  const ids: string[] = []
  for (let i = 0; ids.length < count; i++)
    ids.push(...(await fleet(`${name}-${i}`, name, Math.min(50, count - ids.length))))
  for (const id of ids) await known(id, 'Ready')
  return { ids, selectors: [{ matchLabels: { pool: name } }] }
}
const post = (json: Wanted, key?: string, client = servers.a.admin) =>
  client.v1.allocations.$post({ json, header: key ? { 'idempotency-key': key } : {} })
const take = async (json: Wanted, client?: Client) =>
  (await answerOf(post(json, undefined, client))).allocations
const giveBack = (allocation: string, query: { afterUse?: 'ready' | 'stop' } = {}) =>
  answerOf(servers.a.admin.v1.allocations[':allocation'].$delete({ param: { allocation }, query }))
const known = (id: string, state: string) =>
  until(() => servers.direct.every(({ stores }) => stores.ships.table.get(id)?.value.state === state))

test('large requests that etcd takes one by one go in commits of their own, and refuse nobody', async () => {
  const { selectors } = await pool('crowd', 203)
  const { admin } = servers.direct[0]
  const large: Wanted = { selectors, count: 50, annotations: { match: 'x'.repeat(7_600) } }
  const answers = await Promise.all([
    ...[1, 2, 3, 4].map((i) => post(large, `large-${i}`, admin)),
    ...[1, 2, 3].map(() => post({ selectors }, undefined, admin)),
  ])
  assert.deepEqual(
    answers.map(({ status }) => status),
    Array.from({ length: 7 }, () => 201),
  )
})

test('of requests in one commit only the one that etcd never takes is refused, at once and with the reason', async () => {
  const labels = Object.fromEntries(
    Array.from({ length: 31 }, (_, i) => [`${i}`.padStart(63, 'k'), 'v'.repeat(63)]),
  )
  const { selectors } = await pool('heavy', 55, labels)
  const { admin } = servers.direct[0]
  // Each of these is 4 bytes in the answer that is kept.
  const hopeless: Wanted = { selectors, count: 50, annotations: { match: '"'.repeat(3_950) } }
  const startMs = performance.now()
  const answers = await Promise.all([
    post({ selectors }, undefined, admin),
    post(hopeless, 'hopeless', admin),
    post({ selectors }, undefined, admin),
  ])
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 400, 201],
  )
  assert.ok(performance.now() - startMs < 2_000)
  assert.match(await (answers[1] as Response).text(), /fewer ships/)
  assert.equal((await take({ selectors, count: 50 }, admin)).length, 50)
})

for (const [name, more] of Object.entries({
  distributed: { strategy: 'distributed' as const },
  descending: { priorities: [{ type: 'counter' as const, key: 'rooms', order: 'descending' as const }] },
}))
  test(`${name}: of ships that are shared the one with most room is next, each time`, async () => {
    const of: Wanted = { selectors: [{ fleet: name }], counters: { rooms: { add: 0 } } }
    const ids = await fleet(name, 'hall', 10)
    await take({ ...of, count: 10 })
    for (const id of ids) await known(id, 'Allocated')
    const room = {
      ...more,
      selectors: [{ fleet: name, state: 'Allocated' as const }],
      counters: { rooms: { add: 1 } },
    }
    const { admin } = servers.direct[0]
    const taken = new Map<string, number>()
    for (let i = 0; i < 30; i++) {
      // Several in one commit as well.
      const some = await Promise.all(i < 20 ? [take(room, admin)] : [1, 2].map(() => take(room, admin)))
      for (const { ship } of some.flat()) taken.set(ship, (taken.get(ship) ?? 0) + 1)
    }
    assert.deepEqual([...taken.values()].join(' '), '4 4 4 4 4 4 4 4 4 4')
  })

test('what several sessions have put on a list stays until the last of them is given back', async () => {
  const [ship = ''] = await fleet('guests', 'hall', 1)
  const append = async (...names: string[]) => {
    const selectors = [{ fleet: 'guests', state: 'Allocated' as const }, { fleet: 'guests' }]
    const [one] = await take({ selectors, lists: { players: { append: names } } })
    return one?.id ?? ''
  }
  const values = async () => (await shipAt(servers.a, ship)).lists?.players?.values
  const first = await append('ann', 'owl')
  const second = await append('ann', 'bob')
  assert.deepEqual(await values(), ['owl', 'ann', 'bob'])
  await giveBack(first)
  assert.deepEqual(await values(), ['owl', 'ann', 'bob'])
  const third = await append('bob')
  await giveBack(second)
  assert.deepEqual(await values(), ['owl', 'bob'])
  await giveBack(third)
  // It had been there before all of them.
  assert.deepEqual(await values(), ['owl'])
})

test('a Lost ship whose last session is given back to stop has ended, and its host ends the container', async () => {
  const [ship = ''] = await fleet('lost', 'arena', 1)
  const [taken] = await take({ selectors: [{ fleet: 'lost' }] })
  await servers.direct[0].stores.ships.change(ship, ({ value }) => lose(value, 'its host is gone') ?? value)
  await known(ship, 'Lost')
  assert.equal((await giveBack(taken?.id ?? '', { afterUse: 'stop' })).state, 'Stopped')
  const carried = [{ ship, attempt: 1 }]
  const json = { host: describeHost('north'), ships: carried } as never
  const { strays } = await answerOf(north.v1.monitor.hello.$post({ json }))
  assert.deepEqual(strays, carried)
  await report(north, { ship, attempt: 1, state: 'Ready' })
  assert.equal((await shipAt(servers.a, ship)).state, 'Stopped')
})

test('a thousand full ships and 250 who each wait for one with a name of their own hold up nobody', async () => {
  const { admin, url } = servers.direct[0]
  const values = Array.from({ length: 16 }, (_, i) => `player-${i}`)
  const { ids, selectors } = await pool('full', 1_000, {}, { lists: { players: { values, capacity: 16 } } })
  await Promise.all(Array.from({ length: 20 }, () => take({ selectors, count: 50 }, admin)))
  for (const id of ids) await known(id, 'Allocated')
  const join = (name: string, waitSeconds: number): Wanted => ({
    selectors: [{ matchLabels: { pool: 'full' }, state: 'Allocated' }],
    lists: { players: { append: [name] } },
    waitSeconds,
  })
  let over = false
  let longestMs = 0
  const watching = (async () => {
    while (!over) {
      const startMs = performance.now()
      await fetch(`${url}/healthz`).then(
        (answer) => answer.text(),
        () => undefined,
      )
      longestMs = Math.max(longestMs, performance.now() - startMs)
      await sleep(20)
    }
  })()
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
  const startCpu = process.cpuUsage()
  const answers = await Promise.all(
    Array.from({ length: 250 }, (_, i) =>
      // Not through the client, which has few connections.
      fetch(`${url}/v1/allocations`, { method: 'POST', headers, body: JSON.stringify(join(`own-${i}`, 3)) }),
    ),
  )
  over = true
  await watching
  const { user } = process.cpuUsage(startCpu)
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([429]))
  // It was 8 s of CPU when each name was a want of its own, and is 2.
  assert.ok(user < 5_000_000 && longestMs < 1_500, `${user / 1_000} ms of CPU, ${longestMs} ms for /healthz`)
  // Who is on one of the full lists already finds it, also when others have passed it over.
  const [ship = ''] = ids
  const json = { lists: { players: { remove: ['player-0'], append: ['own-7'] } } } as never
  await answerOf(servers.a.admin.v1.ships[':ship'].$patch({ param: { ship }, json, header: {} }))
  assert.equal((await take(join('own-7', 0), admin))[0]?.ship, ship)
})

test.run()
