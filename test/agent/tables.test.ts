// The tables in the agent's middle: roster, outbox, contact; and how a host describes itself.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Reporter } from '../../agent/advisor/reporter.ts'
import { ShipMeter } from '../../agent/advisor/shipMeter.ts'
import { Contact } from '../../agent/contact.ts'
import { describeHost } from '../../agent/describe.ts'
import { clip } from '../../agent/docker/log.ts'
import { LastSamples } from '../../agent/lastSamples.ts'
import { Outbox } from '../../agent/outbox.ts'
import { PullBook } from '../../agent/pullBook.ts'
import { ResizeBook } from '../../agent/resizeBook.ts'
import { Roster } from '../../agent/roster.ts'
import { Slots } from '../../agent/slots.ts'
import { connect } from '../../shared/api/client.ts'
import type { ShipReport } from '../../shared/api/monitor.ts'
import { createLog } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import { allocatableOf } from '../../shared/model/host.ts'
import { readSettings } from '../../shared/settings.ts'
import { type FakeMonitor, startFakeMonitor } from './fakeMonitor.ts'

const test = suite('agent: tables')
let monitor: FakeMonitor

test.before(async () => {
  monitor = await startFakeMonitor()
})
test.after(() => monitor.close())

const spec = BlueprintSpec.parse({ image: 'i', resources: { cpuMillis: 100, memoryMiB: 10 } })
const grant = (ship: string, attempt = 1) => ({
  ...{ ship, attempt, state: 'Starting' as const, fleet: null, labels: {}, spec, ports: [] },
  blueprint: { name: 'b', revision: 1 },
})

test('roster: one attempt at a time, and none twice', () => {
  const roster = new Roster()
  assert.ok(roster.board(grant('a'), 'Claimed'))
  assert.not.ok(roster.board(grant('a', 2), 'Claimed'), 'the older one is still aboard')
  assert.is(roster.change(grant('a', 2), { phase: 'Ready' }), undefined)
  assert.is(roster.change(grant('a'), { phase: 'Ready' })?.phase, 'Ready')
  roster.leave(grant('a'))
  assert.not.ok(roster.board(grant('a'), 'Claimed'), 'it has left')
  assert.ok(roster.board(grant('a', 2), 'Claimed'))
  assert.equal(roster.taken('other'), { cpuMillis: 100, memoryMiB: 10 })
  assert.equal(roster.taken('a'), { cpuMillis: 0, memoryMiB: 0 })
})

test('samples say how long nobody has played, by the container, as far as players are counted', async () => {
  const roster = new Roster()
  roster.board(grant('a'), 'Ready')
  roster.change(grant('a'), { containerId: 'one', pid: process.pid })
  let players: number | null = 0
  const meter = new ShipMeter(roster, () => ({ players, maxPlayers: 16, map: null }), new LastSamples(roster))
  const emptyForMs = () => meter.sample()[0]?.emptyForMs
  assert.is(emptyForMs(), 0)
  await sleep(120)
  assert.ok((emptyForMs() ?? 0) >= 100)
  players = 3
  assert.is(emptyForMs(), null)
  players = 0
  assert.is(emptyForMs(), 0, 'from the last player on')
  await sleep(20)
  roster.change(grant('a'), { containerId: 'two' })
  assert.is(emptyForMs(), 0)
  players = null
  assert.is(emptyForMs(), null)
})

test('outbox: the latest stays until exactly it is acknowledged; a final one is not replaced', () => {
  const outbox = new Outbox()
  const of = { ship: 'a', attempt: 1 }
  outbox.put({ ...of, state: 'Ready' })
  const sent = outbox.peek(10)
  outbox.put({ ...of, state: 'Unhealthy', reason: 'r' })
  outbox.acknowledge(sent)
  assert.is(outbox.peek(10)[0]?.state, 'Unhealthy')
  outbox.put({ ...of, state: 'Failed', reason: 'r', exit: null })
  outbox.put({ ...of, state: 'Ready' })
  assert.is(outbox.peek(10)[0]?.state, 'Failed')
  outbox.put({ ship: 'a', attempt: 2, state: 'Ready' })
  assert.is(outbox.size, 2)
  outbox.acknowledge(outbox.peek(10))
  assert.is(outbox.size, 0)
})

test('a line of a log is clipped', () => {
  assert.is(clip('\u001b[31mred\u001b[0m\tand\u0000 plain\r'), 'red and plain')
  assert.is(clip('é'.repeat(5_000)).length, 400)
})

/** Sends until nothing is left, at most `turns` times. */
async function report(changes: readonly ShipReport[], turns: number): Promise<Outbox> {
  const outbox = new Outbox()
  for (const change of changes) outbox.put(change)
  const sampleHost = () => ({ cpuMillis: 1, memoryMiB: 1, load1: 0, diskFreeMiB: null, degraded: null })
  const reporter = new Reporter({
    pulls: new PullBook(),
    resizes: new ResizeBook(),
    ...{ outbox, sampleHost, roster: new Roster(), contact: new Contact(), log: createLog('test', 'silent') },
    ...{ sampleShips: () => [], degraded: () => null, onStale: () => undefined },
    api: connect({ url: monitor.url, token: 'credential-of-h1' }),
  })
  for (let i = 0; i < turns && outbox.size > 0; i++) await reporter.send().catch(() => undefined)
  return outbox
}

const failed = (ship: string, line = ''): ShipReport => {
  const exit = {
    code: 1,
    oomKilled: false,
    logTail: Array<string>(20).fill(line),
    at: new Date().toISOString(),
  }
  return { ship, attempt: 1, state: 'Failed', reason: 'r', exit }
}

test('reports: never near the limit on bodies; what is refused is found and harms no other', async () => {
  const many = Array.from({ length: 400 }, (_, i) => failed(`s-${i}`, 'x'.repeat(400)))
  let largest = 0
  monitor.refuse = (_changes, bytes) => {
    largest = Math.max(largest, bytes)
    return bytes > 2_000_000 ? 'body_too_large' : undefined
  }
  assert.is((await report(many, 20)).size, 0)
  assert.is(monitor.changes.length, 400)
  assert.ok(largest < 600_000, `${largest} bytes`)

  const few = Array.from({ length: 40 }, (_, i) => failed(`t-${i}`))
  for (const code of ['invalid_request', 'body_too_large', 'internal', 'unavailable'] as const) {
    monitor.changes.length = 0
    monitor.refuse = (changes) => (changes.some(({ ship }) => ship === 't-7') ? code : undefined)
    const left = await report(few, 100)
    assert.is(monitor.changes.length, 39, code)
    assert.is(left.size, code === 'internal' || code === 'unavailable' ? 1 : 0, code)
  }
})

test('reports: measurements that are refused, by an older ApiServer or for their number, cost no change', async () => {
  const changes = Array.from({ length: 40 }, (_, i) => failed(`m-${i}`))
  for (const code of ['invalid_request', 'body_too_large', 'internal'] as const) {
    monitor.changes.length = 0
    monitor.refuse = (_changes, _bytes, sample) => (sample === null ? undefined : code)
    assert.is((await report(changes, 20)).size, 0, code)
    assert.is(monitor.changes.length, 40, code)
  }
})

test('contact: connected is now, suspended counts back, reports count from when they were sent', () => {
  const contact = new Contact()
  contact.presence(true, 3_000)
  assert.ok(performance.now() - contact.heardAtMs < 50)
  contact.presence(false, 3_000)
  const silentMs = performance.now() - contact.heardAtMs
  assert.ok(silentMs < 2_050)
  contact.heard(performance.now() - 100)
  assert.ok(performance.now() - contact.heardAtMs < 200)
  contact.heard(0)
  assert.ok(performance.now() - contact.heardAtMs < 200, 'never back in time')
})

test('slots: never more at once, in order, freed by errors', async () => {
  const slots = new Slots(2)
  let inside = 0
  let most = 0
  const order: number[] = []
  const work = (i: number) =>
    slots.run(async () => {
      most = Math.max(most, ++inside)
      order.push(i)
      await sleep(5)
      inside--
      if (i === 0) throw new Error('first')
    })
  const results = await Promise.allSettled([0, 1, 2, 3, 4].map(work))
  assert.is(most, 2)
  assert.equal(order, [0, 1, 2, 3, 4])
  assert.is(results.filter(({ status }) => status === 'rejected').length, 1)
})

const machine = { cores: 8, memoryMiB: 16_000, diskMiB: 100_000, address: '10.0.0.7' }
const base = { ARMADA_ZOOKEEPER: 'z:2181', ARMADA_HOST_ID: 'h1' }

test('describe: the machine less what it reserves, or what the settings say', () => {
  const host = describeHost(readSettings('agent', base), machine, '1')
  assert.equal(host.capacity, { cpuMillis: 8_000, memoryMiB: 14_400, diskMiB: 90_000, extra: {} })
  assert.equal(allocatableOf(host), host.capacity)
  assert.is(host.address, '10.0.0.7')
  assert.equal(host.ports, { from: 7_000, to: 8_000 })
  const small = describeHost(readSettings('agent', base), { ...machine, memoryMiB: 2_000 }, '1')
  assert.is(small.capacity.memoryMiB, 1_488)
  const env = {
    ...base,
    ARMADA_MEMORY_MIB: '100',
    ARMADA_HOST_LABELS: 'region=eu, disk=nvme',
    ARMADA_PORTS: '9000-9010',
  }
  const told = describeHost(readSettings('agent', env), machine, '1')
  assert.equal(told.labels, { region: 'eu', disk: 'nvme' })
  assert.is(told.capacity.memoryMiB, 100)
  const wrong = readSettings('agent', { ...base, ARMADA_PORTS: '9010-9000' })
  assert.throws(() => describeHost(wrong, machine, '1'), /from must not be above to/)
  const ranged = (ranges: string) =>
    describeHost(readSettings('agent', { ...env, ARMADA_PORT_RANGES: ranges }), machine, '1').portRanges
  assert.equal(ranged(''), {})
  assert.equal(ranged('game:9011-9020,query:27000-27999'), {
    game: { from: 9_011, to: 9_020 },
    query: { from: 27_000, to: 27_999 },
  })
  for (const ranges of ['game:9010-9020', 'a:1-2,b:2-3', 'a:1-2,a:3-4', 'default:1-2'])
    assert.throws(() => ranged(ranges), /overlap, or have one name/)
  assert.throws(() => ranged('game:9020-9011'), /from must not be above to/)
  assert.throws(() => ranged('game'), /must look like game:9000-9399/)
})

test('describe: disk, named resources, overcommit and what is kept from ships', () => {
  const env = {
    ...base,
    ARMADA_DISK_MIB: '50000',
    ARMADA_EXTRA_RESOURCES: 'gpu=2, license=10',
    ARMADA_OVERCOMMIT: 'cpu=2.5,gpu=4',
    ARMADA_RESERVED: 'cpu=500,memory=10%,disk=1%,license=3',
  }
  const host = describeHost(readSettings('agent', env), machine, '1')
  assert.equal(allocatableOf(host), {
    ...{ cpuMillis: 19_500, memoryMiB: 12_960, diskMiB: 49_500 },
    extra: { gpu: 8, license: 7 },
  })
  for (const [name, value, told] of [
    ['ARMADA_EXTRA_RESOURCES', 'cpu=3', /must not be one of cpu, memory, disk/],
    ['ARMADA_EXTRA_RESOURCES', 'gpu', /capacity.extra.gpu/],
    ['ARMADA_OVERCOMMIT', 'cpu=lots', /overcommit.cpu/],
    ['ARMADA_OVERCOMMIT', 'cpu=0', /overcommit.cpu/],
    ['ARMADA_RESERVED', 'memory=-5', /reserved.memoryMiB/],
  ] as const) {
    const wrong = readSettings('agent', { ...base, [name]: value })
    assert.throws(() => describeHost(wrong, machine, '1'), told)
  }
})

test.run()
