// Host ports on a host that has no number to spare: one that is given twice or leaks keeps its fleet from being whole.
// Foreign processes hold some, and agent, containers, dockerd and scheduler are killed together.
import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { suite } from 'uvu'
import { idle, imageOf } from '../../infra/quickstart/games.ts'
import { tellEngine } from '../../infra/stack/engine.ts'
import { answerOf } from '../../shared/api/client.ts'
import { sleep } from '../../shared/loop.ts'
import type { ShipView } from '../../shared/model/ship.ts'
import { Cluster } from '../harness/cluster.ts'
import { takeHostPorts } from '../harness/hostPorts.ts'

const test = suite('ports')
const host = 'tight'
const fleet = 'lobby'
const size = 6
let cluster: Cluster
let numbers: number[]

test.before(async () => {
  cluster = await Cluster.start([idle])
  const ports = await takeHostPorts()
  numbers = Array.from({ length: size }, (_, i) => ports.from + i)
  cluster.ports.set(host, { ...ports, range: `${numbers[0]}-${numbers.at(-1)}` })
  await cluster.addHost(host)
  const json = {
    image: imageOf(idle),
    ports: [{ name: 'game', containerPort: 7777 }],
    resources: { cpuMillis: 10, memoryMiB: 16 },
    lifecycle: { graceMs: 500 },
  }
  await answerOf(cluster.client.v1.blueprints[':blueprint'].$put({ param: { blueprint: 'idle' }, json }))
})
test.after(() => cluster?.stop())

const portOf = (ship: ShipView | undefined) => ship?.ports[0]?.hostPort ?? null

const sorted = (list: readonly (number | null)[]) => [...list].sort((a, b) => (a ?? 0) - (b ?? 0))

async function remove(ship: string): Promise<void> {
  await answerOf(cluster.client.v1.ships[':ship'].$delete({ param: { ship }, header: {} }))
}

async function hold(port: number): Promise<Socket> {
  const socket = createSocket('udp4').bind(port)
  await once(socket, 'listening')
  return socket
}

/** Ships that may run, as their records say, and have a number that another one has too. */
async function twice(): Promise<string[]> {
  const ships = (await cluster.ships()).filter(
    ({ state }) => !['Queued', 'Stopped', 'Failed'].includes(state),
  )
  const given = ships.map(portOf).filter((port) => port !== null)
  return ships
    .filter((ship) => given.filter((port) => port === portOf(ship)).length > 1)
    .map((ship) => `${ship.id} ${ship.state} ${portOf(ship)}`)
}

test('a number that a foreign process holds: its ship gets another as soon as one is free, and later that one', async () => {
  const [held = 0] = numbers
  const foreign = await hold(held)
  const json = { blueprint: 'idle', count: size }
  await answerOf(cluster.client.v1.ships.$post({ json, header: {} }))
  const ready = async () => (await cluster.ships()).filter(({ state }) => state === 'Ready')
  await cluster.until('all but one are Ready', 60_000, async () => (await ready()).length === size - 1)
  assert.deepEqual(sorted((await ready()).map(portOf)), numbers.slice(1))
  const [first] = await ready()
  const ship = (await cluster.ships()).find(({ state }) => state !== 'Ready')?.id ?? ''
  const why = `host port ${held}/udp is in use by a process that is not Armada's`
  await cluster.until('its history says why it waits', 30_000, async () => {
    const past = await answerOf(cluster.client.v1.ships[':ship'].events.$get({ param: { ship } }))
    return JSON.stringify(past).includes(why)
  })

  await remove(first?.id ?? '')
  await cluster.until('it is Ready on the number that became free', 60_000, async () => {
    const now = (await ready()).find(({ id }) => id === ship)
    return portOf(now) === portOf(first)
  })
  assert.equal(foreign.address().port, held)
  foreign.close()
  await answerOf(cluster.client.v1.ships.$post({ json: { blueprint: 'idle' }, header: {} }))
  await cluster.until('all are Ready', 60_000, async () => (await ready()).length === size)
  assert.deepEqual(sorted((await ready()).map(portOf)), numbers)
  for (const { id } of await ready()) await remove(id)
})

test('agent, containers, dockerd and scheduler die together, again and again: no number twice, none leaks', async () => {
  const json = { name: fleet, blueprint: 'idle', replicas: size }
  await answerOf(cluster.client.v1.fleets.$post({ json }))
  await cluster.fleetReady(fleet, size, 60_000)
  const over = new AbortController()
  let looks = 0
  let wrong = ''
  const looking = (async () => {
    for (; !over.signal.aborted; await sleep(50)) {
      const found = await twice().catch(() => [])
      looks++
      if (found.length > 0) wrong = found.join(', ')
    }
  })()
  const agent = cluster.agents.get(host)
  const { docker, scheduler } = cluster
  for (const round of [1, 2, 3]) {
    await agent?.kill()
    const doomed = (await cluster.containers()).slice(0, 2 * round - 1)
    for (const { Id } of doomed)
      await tellEngine(docker.engine, {
        method: 'POST',
        path: `/containers/${Id}/kill?signal=KILL`,
        limitMs: 10_000,
      })
    await Promise.all([docker.kill(), scheduler.kill()])
    // Asked while nobody can do it.
    await remove((await cluster.ships({ fleet })).findLast(({ state }) => state === 'Ready')?.id ?? '')
    await sleep(500)
    await Promise.all([docker.restart(), scheduler.restart()])
    await agent?.restart()
    const ships = await cluster.fleetReady(fleet, size, 60_000)
    assert.deepEqual(sorted(ships.map(portOf)), numbers)
    assert.equal((await cluster.containers()).length, size)
  }
  over.abort()
  await looking
  assert.equal(wrong, '')
  assert.ok(looks > 20, `looked ${looks} times`)
})

test.run()
