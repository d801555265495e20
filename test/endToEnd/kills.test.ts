// kill -9 of every component, one at a time, while ships run and new ones are asked for: no running
// gameserver is touched, no ship is lost or doubled, and all converges within 30 s of the restart.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import { idle, imageOf } from '../../infra/quickstart/games.ts'
import type { Server } from '../../infra/stack/server.ts'
import { answerOf } from '../../shared/api/client.ts'
import { Cluster } from '../harness/cluster.ts'

const test = suite('kills')
const fleet = 'lobby'
const replicas = 5
const convergeMs = 30_000
let cluster: Cluster
/** Container id by ship, as it was before anything was killed. */
let before: Map<string, string>
let asked = 0

async function running(): Promise<Map<string, string>> {
  const lines = await cluster.containers()
  const ships = lines.map((line) => line.Labels['armada.ship'] ?? '')
  assert.equal(new Set(ships).size, ships.length, 'two running containers of one ship')
  return new Map(lines.map((line) => [line.Labels['armada.ship'] ?? '', line.Id]))
}

/** Asks for one more ship with a key of its own, as a client that repeats until it has an answer. */
async function askForShip(signal: AbortSignal): Promise<string | undefined> {
  const key = `ask-${asked++}`
  while (!signal.aborted) {
    const request = { json: { blueprint: 'idle' }, header: { 'idempotency-key': key } }
    const made = await answerOf(cluster.client.v1.ships.$post(request)).catch(() => undefined)
    if (made) return made.ships[0]?.id
    await delay(100)
  }
  return undefined
}

/** Kills it, leaves it dead for a while with ships asked for all the time, restarts it, and looks at the outcome. */
async function killAndLook(victim: () => Server, deadMs: number): Promise<void> {
  const acknowledged: string[] = []
  const over = new AbortController()
  const load = (async () => {
    while (!over.signal.aborted) {
      const id = await askForShip(over.signal)
      if (id) acknowledged.push(id)
      await delay(400)
    }
  })()
  await delay(500)
  await victim().kill()
  await delay(deadMs)
  await victim().restart()
  await delay(1_000)
  over.abort()
  await load
  assert.ok(acknowledged.length > 0, 'no ship was acknowledged')

  const ships = await cluster.until(
    'every acknowledged ship is Ready, the fleet whole',
    convergeMs,
    async () => {
      const all = await cluster.ships()
      const mine = all.filter((ship) => acknowledged.includes(ship.id))
      const whole = all.filter((ship) => ship.fleet === fleet && ship.state === 'Ready').length === replicas
      return (
        whole && mine.length === acknowledged.length && mine.every((ship) => ship.state === 'Ready') && all
      )
    },
  )
  const now = await running()
  for (const [ship, id] of before) assert.equal(now.get(ship), id, `the container of ${ship} was touched`)
  for (const ship of ships.filter((one) => one.state === 'Ready'))
    assert.ok(now.has(ship.id), `${ship.id} is Ready without a container`)
  assert.equal(
    now.size,
    ships.filter((one) => one.state === 'Ready').length,
    'a container without a Ready ship',
  )
  before = now
}

test.before(async () => {
  cluster = await Cluster.start([idle])
  await cluster.addHost('host-a')
  await answerOf(
    cluster.client.v1.blueprints[':blueprint'].$put({
      param: { blueprint: 'idle' },
      json: {
        image: imageOf(idle),
        ports: [{ name: 'game', containerPort: 7777 }],
        resources: { cpuMillis: 10, memoryMiB: 16 },
        lifecycle: { graceMs: 1_000, hostLost: { afterMs: 20_000 } },
      },
    }),
  )
  await answerOf(cluster.client.v1.fleets.$post({ json: { name: fleet, blueprint: 'idle', replicas } }))
  await cluster.fleetReady(fleet, replicas, 30_000)
  before = await running()
})

test.after(async () => {
  await cluster?.stop()
})

test('the agent', () => killAndLook(() => cluster.agents.get('host-a') as Server, 2_000))
test('the scheduler', () => killAndLook(() => cluster.scheduler, 2_000))
test('the controllers', () => killAndLook(() => cluster.controllers, 2_000))
test('the ApiServer', () => killAndLook(() => cluster.api, 2_000))
test('ZooKeeper', () => killAndLook(() => cluster.stack.zookeeper, 3_000))
test('etcd', () => killAndLook(() => cluster.stack.etcd, 3_000))
test('Redis', () => killAndLook(() => cluster.stack.redis, 3_000))

test.run()
