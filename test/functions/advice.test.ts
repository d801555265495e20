// What the ApiServers tell the scheduler of a host, and when: over two of them, on real stores.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { merged, type Said, type Told, tellsMore } from '../../functions/stores/keeper/advice.ts'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { Advice, type Holding } from '../../shared/model/holding.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import type { ApiServer } from '../harness/apiServer.ts'
import { joinHost, publish, shipAt, startTwoServers, type TwoServers } from '../harness/twoServers.ts'

const test = suite('advice')
const resources = { cpuMillis: 500, memoryMiB: 512 }
let epoch: number
let servers: TwoServers
let zk: ZooKeeper
let nextPort = 7_000

/** Where the Advice stands, and what it tells. */
async function adviceOn(host: string): Promise<{ version: number; ships: string[]; ended: string[] }> {
  const found = await zk.get(paths.advisor(host))
  if (!found?.data.length) return { version: -1, ships: [], ended: [] }
  const { holdings, ended } = Advice.parse(JSON.parse(found.data.toString()))
  const ships = holdings.map(({ ship }) => ship).sort()
  return { version: found.stat.version, ships, ended: ended.map(({ ship }) => ship).sort() }
}

const aboard = (ship: string, port: number): Holding => ({
  ...{ ship, attempt: 1, fleet: null, resources },
  hostPorts: [port],
})

/** Ships that the scheduler put on a host, and that the host has claimed. */
async function place(api: ApiServer, host: string, agent: Client, count: number): Promise<Holding[]> {
  const { ships } = await answerOf(
    api.admin.v1.ships.$post({ json: { blueprint: 'arena', count }, header: {} }),
  )
  const placed = ships.map(({ id }) => ({ ship: id, attempt: 1, host, ports: { game: nextPort++ } }))
  const json = { epoch, placed, refused: [], waiting: [] }
  await answerOf(api.runner.v1.placements.$post({ json }))
  const claims = placed.map(({ ship, attempt, ports }) => ({ ship, attempt, ports }))
  await answerOf(agent.v1.monitor.claims.$post({ json: { claims } }))
  return placed.map(({ ship, ports }) => aboard(ship, ports.game))
}

function tell(agent: Client, holdings: Holding[], left: string[] = [], anew = false) {
  const gone = left.map((ship) => ({ ship, attempt: 1 }))
  const json = { changes: [], holdings, left: gone, anew, host: null, ships: [] }
  return answerOf(agent.v1.monitor.reports.$post({ json }))
}

const shipsOf = (holdings: readonly Holding[]) => holdings.map(({ ship }) => ship).sort()

test.before(async () => {
  servers = await startTwoServers()
  zk = await ZooKeeper.connect({
    servers: servers.stack.zookeeper.address,
    log: createLog('test', 'silent'),
  })
  epoch = await servers.a.lead('scheduler')
  await publish(servers.a, 'arena', { resources })
})
test.after(async () => {
  await zk?.close()
  await servers?.stop()
})

test('ships that boarded as they were placed are not written; an end is, by whichever ApiServer hears of it', async () => {
  const { a, b } = servers
  const { client, credential } = await joinHost(a, 'calm')
  const other = b.as(credential)
  await tell(client, [], [], true)
  const { version } = await adviceOn('calm')
  const [first, second, third] = await place(a, 'calm', client, 3)
  assert.ok(first && second && third)
  await tell(client, [first])
  await tell(client, [first, second])
  assert.equal((await adviceOn('calm')).version, version)
  await tell(other, [second], [first.ship])
  const told = await adviceOn('calm')
  assert.deepEqual([told.ships, told.ended], [[second.ship], [first.ship]])
  await tell(client, [third], [second.ship])
  const next = await adviceOn('calm')
  assert.deepEqual([next.ships, next.ended], [[third.ship], [first.ship, second.ship].sort()])
  await tell(client, [third])
  assert.equal((await adviceOn('calm')).version, next.version)
})

test('an agent that began anew: what the advice shows and it does not have is taken away', async () => {
  const { a, b } = servers
  const { client, credential } = await joinHost(a, 'reborn')
  const [ship] = await place(a, 'reborn', client, 1)
  assert.ok(ship)
  const stranger = aboard('stranger', 7_900)
  await tell(client, [ship, stranger], [], true)
  assert.deepEqual((await adviceOn('reborn')).ships, shipsOf([ship, stranger]))
  await tell(b.as(credential), [ship], [], true)
  assert.deepEqual((await adviceOn('reborn')).ships, [ship.ship])
})

test('what differs from the record is written at once, and so are many that are unsaid', async () => {
  const { a } = servers
  const { client } = await joinHost(a, 'busy', { ports: { from: 7_000, to: 7_999 } })
  await tell(client, [], [], true)
  const ships = await place(a, 'busy', client, 34)
  const moved = { ...(ships[0] as Holding), hostPorts: [7_950] }
  await tell(client, [moved])
  assert.deepEqual((await adviceOn('busy')).ships, [moved.ship])
  const { version } = await adviceOn('busy')
  await tell(client, [moved, ...ships.slice(1, 33)])
  assert.equal((await adviceOn('busy')).version, version)
  await tell(client, [moved, ...ships.slice(1)])
  assert.equal((await adviceOn('busy')).ships.length, 34)
})

test('a ship that another host has than the scheduler believes: shown where it is, and gone from where it is not', async () => {
  const { a, b } = servers
  const { client } = await joinHost(a, 'real')
  const [ship] = await place(a, 'real', client, 1)
  assert.ok(ship)
  await tell(client, [ship], [], true)
  const twice = [{ ship: ship.ship, attempt: 1, host: 'believed', ports: { game: 7_001 } }]
  const report = (change: object) =>
    answerOf(
      b.runner.v1.placements.$post({ json: { epoch, placed: [], refused: [], waiting: [], ...change } }),
    )
  await report({ placed: twice })
  assert.deepEqual((await adviceOn('real')).ships, [ship.ship])
  const assumed = ['real', 'believed'].map((host) => ({ ship: ship.ship, attempt: 1, host }))
  assert.deepEqual((await report({ assumed: assumed.slice(0, 1) })).gone, [])
  assert.deepEqual((await report({ assumed: assumed.slice(1) })).gone, [ship.ship])
  const unknown = { ship: 'nobody', attempt: 1, host: 'real' }
  assert.deepEqual((await report({ assumed: [unknown] })).gone, ['nobody'])
  const ended = { ship: ship.ship, attempt: 1, state: 'Failed' as const, reason: 'over', exit: null }
  await answerOf(
    client.v1.monitor.reports.$post({ json: { changes: [ended], holdings: null, host: null, ships: [] } }),
  )
  assert.equal((await shipAt(a, ship.ship)).state, 'Failed')
  const told = await adviceOn('real')
  assert.deepEqual([told.ships, told.ended], [[], [ship.ship]])
  assert.deepEqual((await report({ assumed: assumed.slice(0, 1) })).gone, [ship.ship])
})

test('merging keeps what was not spoken of, and forgets old ends', () => {
  const told: Told = { degraded: 'hot', holdings: [aboard('a', 1), aboard('b', 2)], ended: [] }
  const said: Said = {
    ...{ degraded: undefined, holdings: null, anew: false, asPlaced: () => true },
    ended: [{ ship: 'a', attempt: 1 }],
  }
  const next = merged(told, said)
  assert.deepEqual([next.degraded, shipsOf(next.holdings), next.ended], ['hot', ['b'], said.ended])
  assert.equal(tellsMore(next, said), false)
  assert.equal(tellsMore(next, { ...said, degraded: null }), true)
  let many = next
  for (let i = 0; i < 100; i++) many = merged(many, { ...said, ended: [{ ship: `s-${i}`, attempt: 1 }] })
  assert.equal(many.ended.length, 64)
  assert.equal(many.ended[0]?.ship, 's-99')
})

test.run()
