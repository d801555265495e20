// The main job through every part of Armada: real gameservers come up, answer their query, scale, stop.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import { idle, imageOf, openArena, teeworlds } from '../../infra/quickstart/games.ts'
import { askGame } from '../../infra/quickstart/query.ts'
import { answerOf } from '../../shared/api/client.ts'
import { Cluster } from '../harness/cluster.ts'

const test = suite('main job')
let cluster: Cluster

const publish = (name: string, json: object) =>
  answerOf(
    cluster.client.v1.blueprints[':blueprint'].$put({
      param: { blueprint: name },
      json: json as { image: string },
    }),
  )

test.before(async () => {
  cluster = await Cluster.start([openArena, teeworlds, idle])
  await cluster.addHost('host-a', { memoryMiB: 4_096 })
})

test.after(async () => {
  await cluster?.stop()
})

test("a fleet of three answers the game's own query, and a second game runs beside it", async () => {
  await publish('openarena', JSON.parse(readFileSync('infra/quickstart/blueprint.json', 'utf8')))
  const readyLine = { type: 'log', pattern: '[server]: version' }
  await publish('teeworlds', {
    image: imageOf(teeworlds),
    ports: [{ name: 'game', containerPort: 8303 }],
    resources: { cpuMillis: 100, memoryMiB: 64 },
    probe: readyLine,
  })
  await answerOf(
    cluster.client.v1.fleets.$post({ json: { name: 'arena', blueprint: 'openarena', replicas: 3 } }),
  )
  await answerOf(
    cluster.client.v1.fleets.$post({ json: { name: 'duel', blueprint: 'teeworlds', replicas: 2 } }),
  )
  const [arena] = await Promise.all([
    cluster.fleetReady('arena', 3, 30_000),
    cluster.fleetReady('duel', 2, 30_000),
  ])
  for (const ship of arena) assert.equal((await askGame(ship))?.map, 'am_underworks')
  const sampled = await cluster.until('players are counted', 10_000, async () => {
    const ships = await cluster.ships({ fleet: 'arena' })
    return ships.every((ship) => ship.sample?.maxPlayers === 16 && ship.sample.players === 0) && ships
  })
  assert.ok(sampled.every((ship) => (ship.sample?.memoryMiB ?? 0) > 1))
  const ports = (await cluster.ships()).flatMap((ship) => ship.ports.map((port) => port.hostPort))
  assert.equal(new Set(ports).size, ports.length)
})

test('a ship that is stopped is replaced; a fleet that is scaled or deleted follows', async () => {
  const [first] = await cluster.fleetReady('duel', 2, 1_000)
  await answerOf(cluster.client.v1.ships[':ship'].$delete({ param: { ship: first?.id ?? '' }, header: {} }))
  const ended = await cluster.until('the ship is Stopped', 20_000, async () => {
    const ship = (await cluster.ships()).find((one) => one.id === first?.id)
    return ship?.state === 'Stopped' && ship
  })
  assert.notEqual(ended.exit, null)
  await cluster.fleetReady('duel', 2, 20_000)
  await answerOf(
    cluster.client.v1.fleets[':fleet'].$patch({
      param: { fleet: 'duel' },
      json: { replicas: 1 },
      header: {},
    }),
  )
  await cluster.fleetReady('duel', 1, 20_000)
  await answerOf(cluster.client.v1.fleets[':fleet'].$delete({ param: { fleet: 'duel' }, header: {} }))
  await cluster.until(
    'the fleet is gone',
    20_000,
    async () => (await answerOf(cluster.client.v1.fleets.$get({ query: {} }))).fleets.length === 1,
  )
  await cluster.until(
    'its containers are gone',
    10_000,
    async () => (await cluster.containers()).length === 3,
  )
})

test('fifty ships from one POST are all Ready; what does not fit says why', async () => {
  await publish('idle', {
    image: imageOf(idle),
    ports: [{ name: 'game', containerPort: 7777 }],
    resources: { cpuMillis: 10, memoryMiB: 16 },
    lifecycle: { graceMs: 1_000 },
  })
  const { ships } = await answerOf(
    cluster.client.v1.ships.$post({ json: { blueprint: 'idle', count: 50 }, header: {} }),
  )
  const ids = new Set(ships.map((ship) => ship.id))
  const mine = async () => (await cluster.ships()).filter((ship) => ids.has(ship.id))
  await cluster.until('50 ships Ready', 120_000, async () =>
    (await mine()).every((ship) => ship.state === 'Ready'),
  )
  const running = await cluster.containers()
  assert.equal(running.filter((line) => ids.has(line.Labels['armada.ship'] ?? '')).length, 50)

  await publish('giant', { image: imageOf(idle), resources: { cpuMillis: 10, memoryMiB: 9_000 } })
  const giant = await answerOf(cluster.client.v1.ships.$post({ json: { blueprint: 'giant' }, header: {} }))
  const refused = await cluster.until('the refusal is on the ship', 5_000, async () => {
    const ship = await answerOf(
      cluster.client.v1.ships[':ship'].$get({ param: { ship: giant.ships[0]?.id ?? '' } }),
    )
    return ship.reason !== null && ship
  })
  assert.equal(refused.state, 'Queued')
  assert.match(refused.reason ?? '', /1 host.*memory.*9000 MiB/)

  await publish('nowhere', { image: 'nowhere.invalid/game:1', lifecycle: { startAttempts: 2 } })
  const missing = await answerOf(
    cluster.client.v1.ships.$post({ json: { blueprint: 'nowhere' }, header: {} }),
  )
  const failed = await cluster.until('the ship without an image has Failed', 40_000, async () => {
    const ship = await answerOf(
      cluster.client.v1.ships[':ship'].$get({ param: { ship: missing.ships[0]?.id ?? '' } }),
    )
    return ship.state === 'Failed' && ship
  })
  assert.match(failed.reason ?? '', /nowhere\.invalid\/game:1/)
})

test.run()
