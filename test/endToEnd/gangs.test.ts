import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { allOf, answerOf, type Client } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { SimulatedHost, type SimulatedHostOptions } from '../harness/simulatedHost.ts'
import { TwoSchedulers } from '../harness/twoSchedulers.ts'
import { until } from '../harness/until.ts'

const hostCount = 12
const shipsOnHost = 40
const gangCount = 50
const gangSize = 12
const patienceMs = 90_000

const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const test = suite('gangs')
const hosts: SimulatedHost[] = []
/** Where each ship was granted, whatever the product says of it. */
const grants = new Map<string, Set<string>>()
let cluster: TwoSchedulers
let admin: Client
let addHost: (id: string) => Promise<void>

test.before(async () => {
  cluster = await TwoSchedulers.open(log)
  const { url, zookeeper } = cluster
  admin = cluster.admin
  const onGranted: SimulatedHostOptions['onGranted'] = (ship, attempt, host) => {
    grants.set(ship, (grants.get(ship) ?? new Set()).add(`${host} ${attempt}`))
  }
  const capacity = { cpuMillis: 100 * shipsOnHost, memoryMiB: 100 * shipsOnHost }
  addHost = async (id) => {
    hosts.push(
      await SimulatedHost.start({ ...{ id, url, admin, zookeeper, onGranted }, change: { capacity } }),
    )
  }
  for (let i = 0; i < hostCount; i++) await addHost(`host-${i}`)
  const json = {
    image: 'game:1',
    ports: [{ name: 'game', containerPort: 7_777 }],
    placement: { strategy: 'distributed' as const },
    resources: { cpuMillis: 100, memoryMiB: 100 },
  }
  await answerOf(admin.v1.blueprints[':blueprint'].$put({ param: { blueprint: 'match' }, json }))
})

test.after(async () => {
  await Promise.all(hosts.map((host) => host.stop()))
  await cluster?.close()
})

test('the leader is killed while gangs are placed: each goes whole and once, or waits whole until there is room', async () => {
  const first = await cluster.start(4_000)

  const gangs: string[][] = []
  const keys = Array.from({ length: gangCount }, (_, i) => `gang-${i}`).values()
  const post = async () => {
    for (const key of keys)
      gangs.push(await cluster.create({ blueprint: 'match', count: gangSize, gang: true }, key))
  }
  const posted = Promise.all([post(), post(), post(), post()])
  const room = hostCount * shipsOnHost
  await until(() => grants.size > room / 4, patienceMs)
  await first.kill()
  await posted
  await until(() => grants.size >= room, patienceMs)
  await until(async () => (await reasons()).length === gangCount * gangSize - room, patienceMs)

  const grantedOf = (gang: readonly string[]) => gang.filter((ship) => grants.has(ship)).length
  const parts = gangs.map(grantedOf)
  assert.is(parts.filter((part) => part === gangSize).length, room / gangSize)
  assert.is(parts.filter((part) => part === 0).length, gangCount - room / gangSize)
  await until(
    async () => (await reasons()).every((reason) => reason?.startsWith('room for 0 of 12 ')),
    30_000,
  )

  for (let i = 0; i < 3; i++) await addHost(`more-${i}`)
  await until(() => grants.size === gangCount * gangSize, patienceMs)
  for (const ship of gangs.flat()) assert.is(grants.get(ship)?.size, 1, `${ship} was granted twice`)
})

async function reasons(): Promise<(string | null)[]> {
  const query = { fieldSelector: 'state=Queued', limit: '200' }
  const ships = await allOf(
    (page) => admin.v1.ships.$get({ query: { ...query, ...page } }),
    (page) => page.ships,
  )
  return ships.map(({ reason }) => reason)
}

test.run()
