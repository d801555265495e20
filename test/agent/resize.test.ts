// Other limits for ships that run, with a real dockerd: what a host gives, in which order, and what it refuses.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MiB, type Resources } from '../../shared/model/resources.ts'
import { until } from '../harness/until.ts'
import { type Agent, type Dock, openDock } from './dock.ts'
import type { FakeMonitor } from './fakeMonitor.ts'

const test = suite('agent: other limits')
const host = 'sized'
const room = { ARMADA_MEMORY_MIB: '1000', ARMADA_CPU_MILLIS: '10000' }
let dock: Dock
let monitor: FakeMonitor
let agent: Agent

test.before(async () => {
  dock = await openDock()
  monitor = dock.monitor
  agent = await dock.startAgent(host, room)
})
test.after(() => dock.close())

async function start(ship: string, memoryMiB: number): Promise<void> {
  await dock.sendShip(host, ship, { command: ['sleep', '1000'], resources: { cpuMillis: 100, memoryMiB } })
  await monitor.heard(ship, 'Ready')
}

/** Its record changes, as the ApiServer does it, and the agent is called. */
function want(ship: string, resources: Partial<Resources>, n: number): void {
  const record = monitor.ships.get(ship)
  if (!record) throw new Error(`there is no ship ${ship}`)
  record.spec = { ...record.spec, resources: { ...record.spec.resources, ...resources } }
  record.resize = n
}

async function answerOn(ship: string, n: number): Promise<string | null> {
  const find = () => monitor.resized.find((one) => one.ship === ship && one.n === n)
  await until(() => find() !== undefined, 20_000)
  return find()?.refused ?? null
}

const memoryOf = async (ship: string) =>
  ((await dock.inspect(`armada-${ship}-1`))?.HostConfig.Memory as number) / MiB
const heldBy = (ship: string) =>
  monitor.holdings.get(host)?.find((holding) => holding.ship === ship)?.resources.memoryMiB

test('what shrinks makes room for what grows, in one hello; what each takes is told', async () => {
  await start('wide', 700)
  await start('narrow', 200)
  want('narrow', { memoryMiB: 600 }, 1)
  want('wide', { memoryMiB: 300 }, 1)
  monitor.resync()
  assert.equal([await answerOn('narrow', 1), await answerOn('wide', 1)], [null, null])
  assert.equal([await memoryOf('narrow'), await memoryOf('wide')], [600, 300])
  await until(() => heldBy('narrow') === 600 && heldBy('wide') === 300, 20_000)
})

test('more than the host has: refused once, nothing changes, and what is aboard has room as before', async () => {
  want('wide', { memoryMiB: 500 }, 2)
  monitor.resync()
  assert.match(
    (await answerOn('wide', 2)) ?? '',
    /sized has no room to grow: it wants 200 MiB of memory more, and 100 are free/,
  )
  assert.is(await memoryOf('wide'), 300)
  const hellos = monitor.hellos.length
  monitor.resync()
  await until(() => monitor.hellos.length > hellos, 20_000)
  want('wide', { memoryMiB: 400 }, 3)
  monitor.resync()
  assert.is(await answerOn('wide', 3), null)
  assert.is(await memoryOf('wide'), 400)
  assert.is(monitor.resized.filter(({ ship, n }) => ship === 'wide' && n === 2).length, 1)
})

test('what Docker does not do is refused, and room is as it was', async () => {
  // Docker knows no container with less than 6 MiB.
  want('narrow', { memoryMiB: 5 }, 2)
  monitor.resync()
  assert.match((await answerOn('narrow', 2)) ?? '', /Docker on sized did not change it: .*[Mm]emory/)
  assert.is(await memoryOf('narrow'), 600)
})

test('kill -9 between the change and its report: the next agent finds it done, and counts it', async () => {
  await agent.kill()
  await dock.engine('POST', '/containers/armada-narrow-1/update', {
    Memory: 100 * MiB,
    MemorySwap: 100 * MiB,
  })
  want('narrow', { memoryMiB: 100 }, 3)
  monitor.holdings.clear()
  agent = await dock.startAgent(host, room)
  assert.is(await answerOn('narrow', 3), null)
  await until(() => heldBy('narrow') === 100, 20_000)
  assert.is(await memoryOf('narrow'), 100)
  want('wide', { memoryMiB: 850 }, 4)
  monitor.resync()
  assert.is(await answerOn('wide', 4), null)
  assert.match(agent.output(), /ship has other limits/)
})

test('what was refused is no news to the next agent, and it says none', async () => {
  want('wide', { memoryMiB: 2_000 }, 5)
  monitor.resync()
  assert.match((await answerOn('wide', 5)) ?? '', /no room to grow/)
  // As the ApiServer records it.
  want('wide', { memoryMiB: 850 }, 5)
  await agent.kill()
  agent = await dock.startAgent(host, room)
  const answers = () => monitor.resized.filter(({ ship, n }) => ship === 'wide' && n === 5)
  await until(() => answers().length === 2, 20_000)
  assert.is(await memoryOf('wide'), 850)
  assert.not.match(agent.output(), /other limits/)
})

test.run()
