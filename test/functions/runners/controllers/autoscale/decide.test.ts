// What autoscaling decides, without any I/O and in simulated time.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { suite } from 'uvu'
import { decide } from '../../../../../functions/runners/controllers/autoscale/decide.ts'
import type { Memory } from '../../../../../functions/runners/controllers/autoscale/pace.ts'
import type { Advice, Picture } from '../../../../../functions/runners/controllers/autoscale/policies.ts'
import { Autoscale } from '../../../../../shared/model/autoscale.ts'
import { type Arrival, play } from '../../../../bench/replay/fleetWorld.ts'
import { noisyHour } from '../../../../bench/replay/noise.ts'

const test = suite('decisions of autoscaling')
type Input = Parameters<typeof Autoscale.parse>[0] & object

const scaled = (change: object): Autoscale => Autoscale.parse({ max: 50, ...change } as Input)
/** Without windows: what the policy itself says. */
const atOnce = (policy: object, change: object = {}) =>
  scaled({ policy, up: { stabilisationMs: 0 }, down: { stabilisationMs: 0 }, ...change })

function asked(autoscale: Autoscale, fleet: Partial<Picture['fleet']>, more: Partial<Picture> = {}) {
  const whole = { replicas: 0, ships: {}, illInUse: 0, waiting: 0, measures: {}, autoscale, ...fleet }
  return decide({ fleet: whole, advice: new Map(), clockMs: 0, ...more }, undefined, 0)
}

const evening = { type: 'schedule', cron: '0 18 * * *', timeZone: 'Europe/Berlin', durationMs: 4 * 3_600_000 }
const inBerlin = (time: string) => Date.parse(time)

test('buffer: those in use, those waited for, and so many more', () => {
  const ships = { Ready: 1, Allocated: 3, Reserved: 1, Starting: 2 }
  const { replicas, why } = asked(atOnce({ type: 'buffer', size: 5 }), { ships, waiting: 2, replicas: 7 })
  assert.equal(replicas, 11)
  assert.equal(why, '4 in use + 2 waited for + 5 kept ready = 11')
  const share = asked(atOnce({ type: 'buffer', size: '20%' }), { ships, replicas: 7 })
  assert.equal(share.replicas, 5)
  assert.match(share.why, /20% of all kept ready = 5$/)
})

test('buffer: who is in use and ill by now stays in use; who is ill and idle is no buffer', () => {
  const ships = { Unhealthy: 4, Lost: 1, Allocated: 3 }
  const { replicas, why } = asked(atOnce({ type: 'buffer', size: 3 }), { ships, illInUse: 3, waiting: 1 })
  assert.equal(why, '6 in use + 1 waited for + 2 unwell + 3 kept ready = 12')
  assert.equal(replicas, 12)
  const share = asked(atOnce({ type: 'buffer', size: '20%' }), { ships, illInUse: 3 })
  assert.deepEqual([share.replicas, share.why], [10, '6 in use + 2 unwell, and 20% of all kept ready = 10'])
})

test('to zero, and back when somebody waits', () => {
  const policy = { type: 'buffer', size: 0 }
  assert.equal(asked(atOnce(policy), { replicas: 3, ships: { Ready: 3 } }).replicas, 0)
  assert.equal(asked(atOnce(policy), { waiting: 2 }).replicas, 2)
})

test('counter, list, players: free capacity over the fleet, also with ships of several sizes', () => {
  for (const [policy, name] of [
    [{ type: 'counter', key: 'rooms', free: 15 }, 'counter:rooms'],
    [{ type: 'list', key: 'rooms', free: 15 }, 'list:rooms'],
    [{ type: 'players', free: 15 }, 'players'],
  ] as const) {
    const fleet = { ships: { Allocated: 2, Ready: 1 }, replicas: 3 }
    const room = (used: number, capacity: number, each = 10) => ({
      measures: { [name]: { used, capacity, each } },
    })
    assert.equal(asked(atOnce(policy), { ...fleet, ...room(20, 30) }).replicas, 4)
    assert.equal(asked(atOnce(policy), { ...fleet, ...room(15, 30) }).replicas, 3)
    assert.equal(asked(atOnce(policy), { ...fleet, ...room(20, 60) }).replicas, 2, 'one of them is larger')
    assert.equal(asked(atOnce(policy), { ...fleet, ...room(0, 30), waiting: 4 }).replicas, 6)
    const unknown = asked(atOnce(policy), { ...fleet, ...room(0, 0, 0) })
    assert.equal(unknown.replicas, 3)
    assert.match(unknown.why, /no ship has said yet/)
  }
})

test('schedule: with its time zone over the change to summer time, from and until, and min outside', () => {
  const policy = { ...evening, policy: { type: 'fixed', replicas: 30 } }
  const autoscale = atOnce(policy, { min: 2 })
  const at = (time: string) => asked(autoscale, { replicas: 10 }, { clockMs: inBerlin(time) })
  assert.equal(at('2026-01-10T16:59:59Z').replicas, 2)
  assert.match(at('2026-01-10T16:59:59Z').why, /begins 2026-01-10T17:00:00\.000Z/)
  assert.equal(at('2026-01-10T17:00:00Z').replicas, 30)
  assert.equal(at('2026-01-10T20:59:59Z').replicas, 30)
  assert.equal(at('2026-01-10T21:00:00Z').replicas, 2)
  assert.equal(at('2026-07-10T16:00:00Z').replicas, 30, 'an hour earlier in summer')
  const bounded = atOnce({ ...policy, from: '2026-02-01T00:00:00Z', until: '2026-02-03T18:00:00Z' })
  const then = (time: string) => asked(bounded, { replicas: 10 }, { clockMs: inBerlin(time) }).replicas
  assert.deepEqual(
    ['2026-01-31T18:00:00Z', '2026-02-01T18:00:00Z', '2026-02-03T17:30:00Z', '2026-02-03T18:30:00Z'].map(
      then,
    ),
    [0, 30, 30, 0],
  )
})

test('webhook: as it says; while it is silent the fleet stays as it is; a chain goes on to the next', () => {
  const url = 'https://scale.example/review'
  const webhook = { type: 'webhook', url }
  const chain = { type: 'chain', policies: [webhook, { type: 'buffer', size: 4 }] }
  const said = (policy: object, advice?: Advice) =>
    asked(atOnce(policy), { replicas: 9 }, { advice: new Map(advice ? [[url, advice]] : []) })
  assert.equal(said(webhook, { replicas: 12 }).replicas, 12)
  assert.equal(said(webhook, { replicas: null }).replicas, 9)
  assert.equal(said(webhook, { fault: 'HTTP 500' }).replicas, 9)
  assert.equal(said(webhook).replicas, 9)
  assert.equal(said(chain, { fault: 'HTTP 500' }).replicas, 4)
  assert.equal(said(chain, { replicas: 12 }).replicas, 12)
  assert.match(said(chain, { replicas: 12 }).why, /^policy 1, the webhook at scale\.example wants 12 = 12$/)
})

test('a policy that makes no sense is refused, with what to do', () => {
  const fault = (input: object) => Autoscale.safeParse({ max: 5, ...input }).error?.issues[0]?.message ?? ''
  const buffer = { type: 'buffer', size: 1 }
  assert.match(fault({ policy: buffer, min: 6 }), /must not be above max/)
  assert.match(fault({ policy: { ...evening, cron: '0 0 30 2 *', policy: buffer } }), /never comes/)
  assert.match(
    fault({ policy: { ...evening, cron: '61 * * * *', policy: buffer } }),
    /no cron of five fields/,
  )
  assert.match(fault({ policy: { ...evening, timeZone: 'Mars/Olympus', policy: buffer } }), /no time zone/)
  assert.match(fault({ policy: { type: 'chain', policies: [buffer, buffer] } }), /would never count/)
  assert.match(fault({ policy: { type: 'buffer', size: '100%' } }), /1%.*99%/)
})

/** One look at a fleet: how long after the one before, and how many ships are in use then. */
const looks = fc.array(fc.record({ passedMs: fc.nat(20_000), used: fc.nat(60) }), {
  minLength: 1,
  maxLength: 120,
})
const most = fc.option(
  fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 1, max: 150 }).map((share) => `${share}%`),
  ),
  { nil: undefined },
)
const pace = fc
  .record({ stabilisationMs: fc.nat(60_000), most, periodMs: fc.integer({ min: 1_000, max: 60_000 }) })
  .map(({ most: step, ...rest }) => ({ ...rest, ...(step !== undefined && { most: step }) }))
const anyScaling = fc
  .record({ min: fc.nat(20), span: fc.nat(40), size: fc.nat(20), up: pace, down: pace })
  .map(({ min, span, size, up, down }) =>
    Autoscale.parse({ policy: { type: 'buffer', size }, min, max: Math.max(1, min + span), up, down }),
  )

interface Look {
  nowMs: number
  before: number
  after: number
  wanted: number
}

/** What becomes of the fleet, look by look, from replicas within its bounds. */
function course(autoscale: Autoscale, seen: readonly { passedMs: number; used: number }[]): Look[] {
  let memory: Memory | undefined
  let nowMs = 0
  let replicas = autoscale.min
  return seen.map(({ passedMs, used }) => {
    nowMs += passedMs
    const fleet = { replicas, ships: { Allocated: used }, illInUse: 0, waiting: 0, measures: {}, autoscale }
    const decision = decide({ fleet, advice: new Map(), clockMs: nowMs }, memory, nowMs)
    memory = decision.memory
    const look = { nowMs, before: replicas, after: decision.replicas, wanted: decision.wanted }
    replicas = decision.replicas
    return look
  })
}

test('always between min and max, and never past what is wanted', () => {
  fc.assert(
    fc.property(anyScaling, looks, (autoscale, seen) => {
      for (const { before, after, wanted } of course(autoscale, seen)) {
        assert.ok(after >= autoscale.min && after <= autoscale.max)
        assert.ok(after >= Math.min(before, wanted) && after <= Math.max(before, wanted))
      }
    }),
  )
})

test('no more than a step within its period, in either direction', () => {
  fc.assert(
    fc.property(anyScaling, looks, (autoscale, seen) => {
      const all = course(autoscale, seen)
      for (const [way, { most: step, periodMs }] of [
        [1, autoscale.up] as const,
        [-1, autoscale.down] as const,
      ]) {
        if (step === undefined) continue
        for (const [i, { nowMs, before }] of all.entries()) {
          const within = all.slice(i).filter((one) => one.nowMs < nowMs + periodMs)
          const moved = within.reduce((sum, one) => sum + Math.max(0, way * (one.after - one.before)), 0)
          const highest = Math.max(...within.map((one) => one.before), before)
          const limit =
            typeof step === 'number' ? step : Math.max(1, (highest * Number.parseInt(step, 10)) / 100)
          assert.ok(moved <= limit, `${moved} within ${periodMs} ms, at most ${step} of ${highest}`)
        }
      }
    }),
  )
})

test('shrinks no lower than anything that was wanted within the window, and grows no higher', () => {
  fc.assert(
    fc.property(anyScaling, looks, (autoscale, seen) => {
      const all = course(autoscale, seen)
      for (const [i, { nowMs, before, after }] of all.entries()) {
        const since = (windowMs: number) =>
          all.slice(0, i + 1).filter((one, n) => n === i || one.nowMs > nowMs - windowMs)
        const wished = (windowMs: number) => since(windowMs).map(({ wanted }) => wanted)
        if (after < before) assert.ok(after >= Math.max(...wished(autoscale.down.stabilisationMs)))
        if (after > before) assert.ok(after <= Math.min(...wished(autoscale.up.stabilisationMs)))
      }
    }),
  )
})

test('what stays wanted is reached, and then nothing moves any more', () => {
  fc.assert(
    fc.property(anyScaling, looks, fc.nat(60), (autoscale, seen, used) => {
      // A step is seen at the next look and counts from then on: with steps of one ship every second look moves.
      const calm = Array.from({ length: 2 * 60 + 10 }, () => ({ passedMs: 61_000, used }))
      const last = course(autoscale, [...seen, ...calm]).slice(-2)
      for (const { before, after, wanted } of last) assert.ok(after === wanted && before === wanted)
    }),
  )
})

test('a new leader, who remembers nothing, shrinks no fleet before a whole window has passed', () => {
  const autoscale = scaled({ policy: { type: 'buffer', size: 1 } })
  const fleet = { replicas: 20, ships: { Ready: 20 }, illInUse: 0, waiting: 0, measures: {}, autoscale }
  let memory: Memory | undefined
  for (let nowMs = 0; nowMs < 300_000; nowMs += 1_000) {
    const decision = decide({ fleet, advice: new Map(), clockMs: nowMs }, memory, nowMs)
    memory = decision.memory
    assert.equal(decision.replicas, 20, `at ${nowMs} ms`)
    if (nowMs === 0) assert.match(decision.why, /20 for now: more were wanted within 300 s$/)
  }
  assert.equal(decide({ fleet, advice: new Map(), clockMs: 300_000 }, memory, 300_000).replicas, 1)
})

test('a memory stays small, however often a fleet is looked at', () => {
  const autoscale = scaled({
    max: 1_000,
    policy: { type: 'buffer', size: 0 },
    up: { most: 10 },
    down: { most: 10 },
  })
  let memory: Memory | undefined
  let replicas = 0
  for (let n = 0; n < 100_000; n++) {
    const ships = { Allocated: (n * 7_919) % 1_000 }
    const fleet = { replicas, ships, illInUse: 0, waiting: 0, measures: {}, autoscale }
    const decision = decide({ fleet, advice: new Map(), clockMs: n * 10 }, memory, n * 10)
    ;({ replicas, memory } = decision)
    const { highs, lows, added, removed } = memory
    assert.ok(highs.length + lows.length + added.length + removed.length <= 2_202)
  }
})

test('a noisy hour: the fleet follows the load and does not flap', () => {
  const arrivals: Arrival[] = noisyHour(7)
  const run = (down: object) =>
    play(arrivals, {
      autoscale: scaled({ policy: { type: 'buffer', size: 8 }, min: 4, max: 200, down }),
      ...{ startMs: 3_000, patienceMs: 20_000 },
    })
  const calm = run({})
  const nervous = run({ stabilisationMs: 0 })
  assert.equal(calm.missed, 0)
  assert.ok(calm.turns <= 12, `${calm.turns} turns with the window, ${nervous.turns} without`)
  assert.ok(nervous.turns >= 20 * calm.turns, `${calm.turns} turns with the window, ${nervous.turns} without`)
  assert.ok(calm.usedMs / calm.shipMs > 0.5, `used ${calm.usedMs / calm.shipMs} of the ships`)
})

test.run()
