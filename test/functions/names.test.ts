// Numbered ships on real stores: names stay with a fleet's ships through replacement, rollouts, scaling and races.
import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import { suite } from 'uvu'
import { gameServerOf } from '../../agent/sdk/gameServer.ts'
import { keepFleets } from '../../functions/runners/controllers/fleets/keepFleets.ts'
import { selfOf } from '../../functions/services/changes/words.ts'
import type { Row } from '../../functions/stores/mirror/table.ts'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { Bell, sleep } from '../../shared/loop.ts'
import { Probe } from '../../shared/model/probe.ts'
import { ordinalOf, type Ship } from '../../shared/model/ship.ts'
import { isFinished } from '../../shared/model/shipState.ts'
import { FleetCrew } from '../harness/fleetCrew.ts'
import {
  claim,
  joinHost,
  publish,
  refused,
  report,
  shipAt,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('names')
const patienceMs = 90_000
const stop = new AbortController()
setMaxListeners(0, stop.signal)
const running: Promise<unknown>[] = []
const log = createLog('controllers', process.env.ARMADA_LOG ?? 'silent')
/** Two ships that had one name at the same time. */
const doubles: string[] = []
let servers: TwoServers
let epoch: number

test.before(async () => {
  servers = await startTwoServers()
  const { a } = servers
  for (const version of ['1', '2', '3']) await publish(a, 'arena', { env: { VERSION: version } })
  const volumes = [{ name: 'world', path: '/data', keep: true }]
  await publish(a, 'realm', { volumes })
  await publish(a, 'patient', { volumes, lifecycle: { hostLost: { policy: 'wait' } } })
  epoch = await a.lead('controllers')
  const { table, index } = servers.direct[0].stores.ships
  table.onChange((id, after) => {
    const { fleet, name } = after?.value ?? {}
    if (!fleet || !name || isFinished(after?.value.state ?? 'Stopped')) return
    for (const { value } of index.ofFleet(fleet))
      if (value.id !== id && value.name === name && !isFinished(value.state))
        doubles.push(`${id} ${value.id}`)
  })
})
test.after.each(() => assert.deepEqual(doubles, []))
test.after(async () => {
  stop.abort()
  await Promise.all(running)
  await servers?.stop()
})

const fleets = () => servers.a.admin.v1.fleets
const create = (json: object) => answerOf(fleets().$post({ json: { naming: 'ordinal', ...json } as never }))
const fleetNamed = (fleet: string) => answerOf(fleets()[':fleet'].$get({ param: { fleet } }))
const patch = (fleet: string, json: object) =>
  answerOf(fleets()[':fleet'].$patch({ param: { fleet }, json: json as never, header: {} }))
const shipsOf = (fleet: string): Ship[] =>
  servers.direct[0].stores.ships.index.ofFleet(fleet).map(({ value }) => value)
const there = (fleet: string) => shipsOf(fleet).filter(({ state }) => !isFinished(state))
const numbers = (ships: readonly Ship[]) => ships.map(ordinalOf).sort((a, b) => a - b)
const named = (fleet: string, name: string) => there(fleet).find((ship) => ship.name === name) as Ship
const end = (ship: string) =>
  answerOf(servers.a.admin.v1.ships[':ship'].$delete({ param: { ship }, header: {} }))

/** One step of the controller, who is not running yet, with what it made. */
async function step(fleet: string, more: object): Promise<string[]> {
  const { revision } = await fleetNamed(fleet)
  const json = { epoch, revision, create: 0, stop: [], forget: false, ...more }
  const sent = { param: { fleet }, json: json as never }
  return (await answerOf(servers.a.runner.v1.fleets[':fleet'].steps.$post(sent))).created
}

test('the lowest free names, never more than replicas; a name is free when its ship has ended', async () => {
  await create({ name: 'lobby', blueprint: 'arena', replicas: 4 })
  assert.equal((await step('lobby', { create: 2 })).length, 2)
  assert.deepEqual(numbers(there('lobby')), [1, 2])
  assert.equal((await step('lobby', { create: 50 })).length, 2)
  assert.deepEqual(numbers(there('lobby')), [1, 2, 3, 4])
  assert.deepEqual(await step('lobby', { create: 1 }), [])
  const host = (await joinHost(servers.a, 'first')).client
  const second = named('lobby', 'lobby-2').id
  await claim(host, [{ ship: second, attempt: 1 }])
  await end(second)
  assert.equal((await shipAt(servers.b, second)).state, 'Stopping')
  assert.deepEqual(await step('lobby', { create: 1 }), [])
  assert.match((await fleetNamed('lobby')).message ?? '', /names are free when they have ended/)
  await report(host, { ship: second, attempt: 1, state: 'Stopped', reason: 'asked', exit: null })
  const [next = ''] = await step('lobby', { create: 1 })
  assert.equal((await shipAt(servers.b, next)).name, 'lobby-2')
  await servers.direct[0].stores.mirror.catchUp()
  const row = servers.direct[0].stores.ships.table.get(next) as Row<Ship>
  const { object_meta: about } = gameServerOf(selfOf(row), Probe.parse({ type: 'none' })) as {
    object_meta: { name: string; labels: Record<string, string> }
  }
  assert.deepEqual([about.name, about.labels['armada.dev/name']], [next, 'lobby-2'])
  const list = (query: object) => answerOf(servers.b.admin.v1.ships.$get({ query: query as never }))
  const found = await list({ name: 'lobby-2', state: 'Queued' })
  assert.deepEqual(
    found.ships.map(({ id, name }) => [id, name]),
    [[next, 'lobby-2']],
  )
  const some = await list({ fieldSelector: 'name in (lobby-1,lobby-3)' })
  assert.deepEqual(some.ships.map(({ name }) => name).sort(), ['lobby-1', 'lobby-3'])
  assert.equal((await list({ fieldSelector: 'name,fleet=lobby' })).ships.length, 5, 'and the one that ended')
  const unnamed = fleets()[':fleet'].$patch({
    ...{ param: { fleet: 'lobby' }, header: {} },
    json: { naming: 'random' } as never,
  })
  await refused(answerOf(unnamed), 'invalid_request')
})

test('twenty makers at two servers, who all saw the same: one of them makes ships, and no name is given twice', async () => {
  await create({ name: 'race', blueprint: 'arena', replicas: 60 })
  for (let round = 0; round < 4; round++) {
    const { revision } = await fleetNamed('race')
    const json = { epoch, revision, create: 20, stop: [], forget: false }
    const made = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => {
        const { runner } = servers.direct[i % 2] as (typeof servers.direct)[0]
        return answerOf(runner.v1.fleets[':fleet'].steps.$post({ param: { fleet: 'race' }, json }))
      }),
    )
    const created = made.flatMap((one) => (one.status === 'fulfilled' ? one.value.created : []))
    await servers.direct[0].stores.mirror.catchUp()
    assert.equal(created.length, round < 3 ? 20 : 0)
    assert.deepEqual(
      numbers(there('race')),
      Array.from({ length: Math.min(60, (round + 1) * 20) }, (_, i) => i + 1),
    )
    // The next ones find gaps.
    if (round < 2) await end(named('race', `race-${7 + round}`).id)
    if (round < 2) assert.equal((await step('race', { create: 1 })).length, 1)
  }
})

test('what a name has kept is on its host: for the next of that name, also after a long time, until the fleet goes', async () => {
  await create({ name: 'realm', blueprint: 'realm', replicas: 2 })
  const [one = ''] = await step('realm', { create: 1 })
  const north = (await joinHost(servers.a, 'north')).client
  const south = (await joinHost(servers.a, 'south')).client
  const leftOver = async (host: Client, ...ships: string[]) =>
    (await answerOf(host.v1.monitor.leftovers.$post({ json: { ships } }))).over
  const { granted } = await claim(north, [{ ship: one, attempt: 1 }])
  assert.deepEqual(
    granted.map(({ ship, name, keeper }) => [ship, name, keeper]),
    [[one, 'realm-1', one]],
  )
  await report(north, { ship: one, attempt: 1, state: 'Stopped', reason: 'over', exit: null })
  assert.deepEqual(await leftOver(north, one, 'realm-nobody'), ['realm-nobody'])
  assert.deepEqual(await leftOver(south, one), [one])
  // No ship of that name, and no record of one.
  const decisions = [{ ship: one, attempt: 1, to: 'Forgotten' as const, reason: '' }]
  await answerOf(servers.a.runner.v1.controllers.decisions.$post({ json: { epoch, decisions } }))
  assert.deepEqual(await leftOver(north, one), [])
  const [again = '', second = ''] = await step('realm', { create: 2 })
  assert.deepEqual(
    (await Promise.all([again, second].map((id) => shipAt(servers.b, id)))).map(({ name, home }) => [
      name,
      home,
    ]),
    [
      ['realm-1', 'north'],
      ['realm-2', undefined],
    ],
  )
  // Its host did not take it: the next one does, and what the first has kept is over.
  await claim(south, [{ ship: again, attempt: 1 }])
  assert.deepEqual(await leftOver(north, one), [one])
  assert.deepEqual(await leftOver(south, again), [])
  await claim(south, [{ ship: again, attempt: 1 }])
  await report(south, { ship: again, attempt: 1, state: 'Stopped', reason: 'over', exit: null })
  await end(second)
  await answerOf(fleets()[':fleet'].$delete({ param: { fleet: 'realm' }, header: {} }))
  assert.deepEqual(await leftOver(south, again), [])
  await step('realm', { forget: true })
  assert.deepEqual(await leftOver(south, again), [again])
  // A later fleet of that name goes on with nothing of this one, also before the host has cleared up.
  await create({ name: 'realm', blueprint: 'realm', replicas: 1 })
  const [anew = ''] = await step('realm', { create: 1 })
  assert.equal((await shipAt(servers.b, anew)).home, undefined)
  const later = await claim(south, [{ ship: anew, attempt: 1 }])
  assert.deepEqual(
    later.granted.map(({ name, keeper }) => [name, keeper]),
    [['realm-1', anew]],
  )
})

test('a home that was removed from the cluster is none', async () => {
  await create({ name: 'calm', blueprint: 'patient', replicas: 1 })
  const [one = ''] = await step('calm', { create: 1 })
  const gone = (await joinHost(servers.a, 'gone')).client
  await claim(gone, [{ ship: one, attempt: 1 }])
  await report(gone, { ship: one, attempt: 1, state: 'Stopped', reason: 'over', exit: null })
  const [again = ''] = await step('calm', { create: 1 })
  assert.equal((await shipAt(servers.b, again)).home, 'gone')
  await answerOf(
    servers.a.admin.v1.hosts[':host'].$delete({ param: { host: 'gone' }, query: { force: 'true' } }),
  )
  const { state, home, attempt } = await shipAt(servers.b, again)
  assert.deepEqual([state, home, attempt], ['Queued', null, 2])
  await end(again)
  const [last = ''] = await step('calm', { create: 1 })
  assert.deepEqual(
    [(await shipAt(servers.b, last)).name, (await shipAt(servers.b, last)).home],
    ['calm-1', undefined],
  )
})

test('a rollout exchanges ships name by name, and a scale-down takes the highest that are not in use', async () => {
  running.push(keepFleets({ client: servers.a.runner, epoch, log, signal: stop.signal }, new Bell()))
  const crew = await FleetCrew.join(servers.direct[0], 'arena', 3)
  running.push(crew.run(stop.signal))
  const ready = (count: number) =>
    until(() => crew.ships().filter(({ state }) => state === 'Ready').length === count, patienceMs)
  const strategy = { type: 'rolling', maxSurge: 3, maxUnavailable: 0, minReadyMs: 0 }
  await create({ name: 'arena', blueprint: 'arena', revision: 1, replicas: 8, strategy })
  await ready(8)
  const seen = { most: 0 }
  servers.direct[0].stores.ships.table.onChange(() => {
    seen.most = Math.max(seen.most, there('arena').length)
  })
  await patch('arena', { revision: 2 })
  await until(async () => (await fleetNamed('arena')).rollout?.state === 'done', patienceMs)
  assert.deepEqual(numbers(there('arena')), [1, 2, 3, 4, 5, 6, 7, 8])
  assert.ok(there('arena').every(({ blueprint }) => blueprint.revision === 2))
  assert.ok(seen.most <= 8, `${seen.most} at one time`)

  // Replaced ones come back under their names.
  for (const name of ['arena-3', 'arena-6']) await end(named('arena', name).id)
  await sleep(50)
  await ready(8)
  assert.deepEqual(numbers(there('arena')), [1, 2, 3, 4, 5, 6, 7, 8])

  const held = (await crew.allocate()).ship
  const number = ordinalOf(there('arena').find(({ id }) => id === held) as Ship)
  await patch('arena', { replicas: 3 })
  await ready(2)
  await until(() => there('arena').length === 3, patienceMs)
  const lowest = [1, 2, 3, 4].filter((one) => one !== number).slice(0, 2)
  assert.deepEqual(
    numbers(there('arena')),
    [...lowest, number].sort((a, b) => a - b),
  )
  await patch('arena', { replicas: 5 })
  await ready(4)
  assert.equal(there('arena').length, 5)
})

test('a fleet that is not numbered has ships without names', async () => {
  await create({ name: 'plain', blueprint: 'arena', replicas: 2, naming: 'random' })
  await until(() => there('plain').length === 2, patienceMs)
  assert.deepEqual(
    there('plain').map(({ name }) => name),
    [undefined, undefined],
  )
})

test.run()
