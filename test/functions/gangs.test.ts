// Gangs: ships of one request that are placed all or none; the real scheduler, two ApiServers, hosts whose agents only register.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { schedule } from '../../functions/runners/scheduler/schedule.ts'
import { answerOf, type Client } from '../../shared/api/client.ts'
import type { ShipRequest } from '../../shared/api/ships.ts'
import { createLog } from '../../shared/log.ts'
import { decodeTickets } from '../../shared/model/ticket.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import {
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

const test = suite('gangs')
const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
let servers: TwoServers
let zk: ZooKeeper
let leading: { over: AbortController; running: Promise<unknown>; epoch: number } | undefined

/** A host with room for so many ships. */
async function appear(host: string, ships: number): Promise<Client> {
  const change = { capacity: { cpuMillis: 100 * ships, memoryMiB: 100 * ships } }
  const { client } = await joinHost(servers.a, host, change)
  await zk.ensurePath(paths.workerQueue(host))
  await zk.set(paths.worker(host), JSON.stringify(describeHost(host, change)))
  await zk.create(paths.workerPresence(host), '', 'ephemeral')
  return client
}

/** Another scheduler leads from now on. */
async function lead(): Promise<number> {
  leading?.over.abort()
  await leading?.running
  const over = new AbortController()
  const epoch = await servers.b.lead('scheduler')
  const leadership = { epoch, signal: over.signal }
  const running = schedule({ zk, client: servers.b.runner, log }, leadership).catch(() => undefined)
  leading = { over, running, epoch }
  return epoch
}

const post = (json: Partial<ShipRequest>, key?: string, { admin } = servers.a) =>
  answerOf(
    admin.v1.ships.$post({
      json: { blueprint: 'match', ...json },
      header: key === undefined ? {} : { 'idempotency-key': key },
    }),
  )
const gang = async (count: number, key?: string): Promise<string[]> =>
  (await post({ count, gang: true }, key)).ships.map(({ id }) => id)
const placementOf = (ship: string) =>
  answerOf(servers.b.admin.v1.ships[':ship'].placement.$get({ param: { ship } }))
const hostsOf = async (ships: readonly string[]) =>
  Promise.all(ships.map(async (ship) => (await shipAt(servers.a, ship)).host))
const stop = (ship: string) =>
  answerOf(servers.a.admin.v1.ships[':ship'].$delete({ param: { ship }, header: {} }))

test.before(async () => {
  servers = await startTwoServers()
  zk = await ZooKeeper.connect({ servers: servers.stack.zookeeper.address, log })
  await publish(servers.a, 'match', { resources: { cpuMillis: 100, memoryMiB: 100 } })
})
test.after(async () => {
  leading?.over.abort()
  await leading?.running
  await zk?.close()
  await servers?.stop()
})

test('has 2 to 64 ships, the same for the same key; one transaction makes them, or none within a quota', async () => {
  for (const count of [1, 65]) await refused(post({ count, gang: true }), 'invalid_request', /2 to 64 ships/)
  await refused(post({ gang: true }), 'invalid_request', /2 to 64 ships/)
  const made = await gang(64, 'all')
  assert.deepEqual(await gang(64, 'all'), made)
  const { ships } = await post({ count: 64, gang: true }, 'all', servers.b)
  assert.equal(new Set(ships.map((ship) => ship.gang?.id)).size, 1)
  assert.deepEqual(ships[0]?.gang, { id: ships[0]?.gang?.id, size: 64 })
  assert.equal((await post({ count: 2, gang: false })).ships[0]?.gang, undefined)

  const names = (await zk.children(paths.schedulerQueue)) ?? []
  const nodes = await Promise.all(names.map((name) => zk.get(`${paths.schedulerQueue}/${name}`)))
  const tickets = nodes.flatMap((node) => (node ? decodeTickets(node.data) : []))
  const mine = tickets.filter((one) => one.gang?.id === ships[0]?.gang?.id)
  assert.deepEqual([...new Set(mine.map(({ ship }) => ship))].sort(), [...made].sort())

  const fieldSelector = `gang=${ships[0]?.gang?.id}`
  const found = await answerOf(servers.b.admin.v1.ships.$get({ query: { fieldSelector, limit: '100' } }))
  assert.equal(found.ships.length, 64)

  const json = { name: 'three', role: 'operator' as const, quota: { ships: 3 } }
  const { secret } = await answerOf(servers.a.admin.v1.tokens.$post({ json }))
  await servers.b.stores.mirror.catchUp()
  const few = { ...servers.a, admin: servers.a.as(secret) }
  await refused(post({ count: 4, gang: true }, undefined, few), 'quota_exceeded')
  assert.equal((await post({ count: 3, gang: true }, undefined, few)).ships.length, 3)

  const all = await answerOf(servers.a.admin.v1.ships.$get({ query: { limit: '1000' } }))
  for (const { id } of all.ships) await stop(id)
})

test('waits as a whole, says why, and goes as a whole when a host is added', async () => {
  await lead()
  await appear('one', 3)
  const ships = await gang(5)
  const reason =
    /^room for 3 of 5 ships that go together; 1 host: not enough memory \(wants 100 MiB, best has 0\)/
  await until(async () => reason.test((await placementOf(ships[4] as string)).reason ?? ''), 30_000)
  for (const ship of ships) {
    const { host, hosts, summary, gang: of } = await placementOf(ship)
    assert.equal(host, null)
    assert.deepEqual(hosts?.ruledOut, [{ rule: 'memory', hosts: 1 }])
    assert.match(summary, new RegExp(`^Waits for a host with gang ${of?.id} of 5 since .*: room for 3 of 5`))
    assert.match((await shipAt(servers.a, ship)).reason ?? '', reason)
  }
  const { fitting } = await answerOf(
    servers.a.admin.v1.placements.simulate.$post({ json: { blueprint: 'match', count: 5 } }),
  )
  assert.equal(fitting, 3)
  const [single] = (await post({})).ships
  await until(async () => (await shipAt(servers.a, single?.id as string)).host === 'one', 30_000)
  await appear('two', 3)
  await until(async () => (await hostsOf(ships)).every((host) => host !== null), 30_000)
  const { score, hosts, summary } = await placementOf(ships[0] as string)
  assert.notEqual(score, null)
  assert.notEqual(hosts, null)
  assert.match(summary, /^On (one|two) with gang match-[a-z0-9]+ of 5 since/)
})

test('is not held up by a ship that is stopped while it waits; stopped as a whole it is gone', async () => {
  const ships = await gang(4)
  const others = await gang(3)
  await until(async () => (await placementOf(ships[0] as string)).refusals === 1, 30_000)
  await appear('three', 3)
  await until(async () => (await hostsOf(others)).every((host) => host === 'three'), 30_000)
  await appear('four', 3)
  await stop(ships[1] as string)
  const rest = ships.filter((_, i) => i !== 1)
  await until(async () => (await hostsOf(rest)).every((host) => host === 'four'), 40_000)

  const gone = await gang(2)
  for (const ship of gone) await stop(ship)
  await until(async () => ((await zk.children(paths.schedulerQueue)) ?? []).length === 0, 40_000)
})

test('a ship that comes back into the queue after it had a host is placed by itself', async () => {
  const agent = await appear('five', 2)
  const ships = await gang(2)
  await until(async () => (await hostsOf(ships)).every((host) => host === 'five'), 30_000)
  const [ship = '', mate = ''] = ships
  await claim(agent, [
    { ship, attempt: 1 },
    { ship: mate, attempt: 1 },
  ])
  await report(agent, { ship, attempt: 1, state: 'Returned', fault: true, reason: 'no image', exit: null })
  await until(async () => (await shipAt(servers.a, ship)).attempt === 2, 30_000)
  assert.equal((await shipAt(servers.a, ship)).gang?.alone, true)
  assert.equal((await shipAt(servers.a, mate)).gang?.alone, undefined)
  await until(async () => (await hostsOf([ship]))[0] !== null, 60_000)
})

test('a lost ticket does not part a gang, and the next leader finds the ships that the last one placed', async () => {
  leading?.over.abort()
  await leading?.running
  const ships = await gang(4)
  for (const name of (await zk.children(paths.schedulerQueue)) ?? []) {
    await zk.delete(`${paths.schedulerQueue}/${name}`)
  }
  // One was put into a box by a leader that died then, another was stopped: two tickets were lost.
  const [placed = '', stopped = '', ...lost] = ships
  await stop(stopped)
  const agent = await appear('six', 3)
  await claim(agent, [{ ship: placed, attempt: 1 }])
  const epoch = await servers.a.lead('controllers')
  const decisions = lost.map((ship) => ({ ship, attempt: 1, to: 'Queued' as const, reason: 'lost' }))
  await answerOf(
    servers.a.runner.v1.controllers.decisions.$post({ json: { epoch, decisions: decisions.slice(1) } }),
  )
  await lead()
  await until(
    async () => /^waits for 1 of the 4/.test((await placementOf(lost[1] as string)).reason ?? ''),
    40_000,
  )
  assert.deepEqual(await hostsOf(lost), [null, null])
  await answerOf(
    servers.a.runner.v1.controllers.decisions.$post({ json: { epoch, decisions: decisions.slice(0, 1) } }),
  )
  await until(async () => (await hostsOf(lost)).every((host) => host === 'six'), 40_000)
  assert.deepEqual((await shipAt(servers.a, lost[0] as string)).gang?.alone, undefined)
})

test.run()
