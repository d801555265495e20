// What the Worker decides, without a world: plan, compare, verdict, cut-off.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Found } from '../../agent/docker/engine.ts'
import { changeTo, limitsOf, resourcesBy, sameLimits } from '../../agent/docker/limits.ts'
import type { Aboard, Phase } from '../../agent/roster.ts'
import { compare } from '../../agent/worker/compare.ts'
import { cutOffAfterMs } from '../../agent/worker/ending/cutOff.ts'
import { verdict } from '../../agent/worker/ending/verdict.ts'
import { plan, type Scene, type Step } from '../../agent/worker/hello/plan.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Grant } from '../../shared/model/grant.ts'
import type { ShipState } from '../../shared/model/shipState.ts'

const test = suite('agent: decisions')

function grant(ship: string, state: ShipState, attempt = 1, spec: object = {}): Grant {
  const full = BlueprintSpec.parse({ image: 'i', ...spec })
  return {
    ship,
    attempt,
    state,
    fleet: null,
    labels: {},
    blueprint: { name: 'b', revision: 1 },
    spec: full,
    ports: [],
  }
}

function aboard(of: Grant, phase: Phase, more: Partial<Aboard> = {}): Aboard {
  const rest = {
    ending: null,
    containerId: `c-${of.ship}-${of.attempt}`,
    address: '',
    pid: 1,
    sdkPorts: null,
    startedAtMs: 0,
  }
  return { grant: of, phase, ...rest, ...more }
}

function found(ship: string, attempt: number, state: Found['state']): Found {
  return { id: `c-${ship}-${attempt}`, ship, attempt, state, host: 'h', boot: 'b', grantText: '' }
}

function steps(scene: Partial<Scene> & { entries?: Aboard[] }): string[] {
  const entries = new Map((scene.entries ?? []).map((entry) => [entry.grant.ship, entry]))
  const nothing = { wanted: [], strays: [], containers: [], left: () => false, unreported: () => false }
  const whole = { ...nothing, ...scene }
  return plan({ ...whole, aboard: (ship) => entries.get(ship) }).map((step: Step) => {
    const of = 'grant' in step ? step.grant : step
    return `${step.step} ${of.ship}/${of.attempt}`
  })
}

// state of the record -> what is found on the host -> the step. The heart of adoption, in one table.
const table: readonly [ShipState, Found['state'] | 'nothing', string][] = [
  ['Scheduled', 'nothing', ''],
  ['Scheduled', 'created', ''],
  ['Starting', 'nothing', 'start s/1'],
  ['Starting', 'created', 'start s/1'],
  ['Starting', 'running', 'adopt s/1'],
  ['Starting', 'ended', 'settle s/1'],
  ['Ready', 'nothing', 'settle s/1'],
  ['Ready', 'created', 'settle s/1'],
  ['Ready', 'running', 'adopt s/1'],
  ['Ready', 'ended', 'settle s/1'],
  ['Allocated', 'running', 'adopt s/1'],
  ['Allocated', 'ended', 'settle s/1'],
  ['Unhealthy', 'running', 'adopt s/1'],
  ['Lost', 'running', 'adopt s/1'],
  ['Lost', 'ended', 'settle s/1'],
  ['Stopping', 'nothing', 'settle s/1'],
  ['Stopping', 'created', 'settle s/1'],
  ['Stopping', 'running', 'stop s/1'],
  ['Stopping', 'ended', 'settle s/1'],
]
for (const [state, container, step] of table) {
  test(`wanted ${state}, container ${container}: ${step || 'nothing to do'}`, () => {
    const containers = container === 'nothing' ? [] : [found('s', 1, container)]
    const expected = step === '' ? [] : [step]
    assert.equal(steps({ wanted: [grant('s', state)], containers }), expected)
    const entries = [aboard(grant('s', state), 'Found')]
    assert.equal(steps({ wanted: [grant('s', state)], containers, entries }), expected, 'recognised or not')
  })
}

test('strays and older attempts go first', () => {
  const scene = {
    wanted: [grant('new', 'Starting'), grant('moved-on', 'Starting', 3)],
    strays: [{ ship: 'stray', attempt: 2 }],
    containers: [found('moved-on', 1, 'running'), found('stray', 2, 'running')],
  }
  assert.equal(steps(scene), ['discard moved-on/1', 'discard stray/2', 'start new/1', 'start moved-on/3'])
})

test('a stray that is still being started is discarded without a container', () => {
  const entries = [aboard(grant('s', 'Starting'), 'Claimed', { containerId: null })]
  assert.equal(steps({ strays: [{ ship: 's', attempt: 1 }], entries }), ['discard s/1'])
})

test('what is under way here is not begun again by an older answer', () => {
  const wanted = [grant('s', 'Starting')]
  assert.equal(steps({ wanted, entries: [aboard(grant('s', 'Starting'), 'Claimed')] }), [])
  assert.equal(steps({ wanted, entries: [aboard(grant('s', 'Starting'), 'Starting')] }), [])
  assert.equal(steps({ wanted, entries: [aboard(grant('s', 'Starting', 2), 'Claimed')] }), [])
  assert.equal(steps({ wanted, unreported: () => true }), [])
  assert.equal(steps({ wanted, unreported: () => true, left: () => true }), [])
})

test('a container that nobody mentions is left alone', () => {
  assert.equal(steps({ containers: [found('s', 1, 'running')] }), [])
})

test('a stop job that was lost is made up for; a report that was lost is repeated', () => {
  const ready = [aboard(grant('s', 'Ready'), 'Ready')]
  assert.equal(steps({ wanted: [grant('s', 'Stopping')], entries: ready }), ['stop s/1'])
  assert.equal(steps({ wanted: [grant('s', 'Starting')], entries: ready }), ['repeat s/1'])
  assert.equal(steps({ wanted: [grant('s', 'Allocated')], entries: ready }), [])
  const unwell = [aboard(grant('s', 'Ready'), 'Unhealthy')]
  assert.equal(steps({ wanted: [grant('s', 'Allocated')], entries: unwell }), ['repeat s/1'])
  const ending = [aboard(grant('s', 'Ready'), 'Ready', { ending: { why: 'asked' } })]
  assert.equal(steps({ wanted: [grant('s', 'Stopping')], entries: ending }), [])
})

test('the end of a ship that has left is told again to whoever does not know it; no older attempt is', () => {
  const wanted = [grant('s', 'Stopping')]
  assert.equal(steps({ wanted, left: () => true }), ['retell s/1'])
  assert.equal(steps({ wanted, left: () => true, entries: [aboard(grant('s', 'Ready', 2), 'Ready')] }), [])
})

test('other limits are given once, by their number, and not to what ends', () => {
  const resized = (state: ShipState, resize: number) => ({ ...grant('s', state), resize })
  const had = [aboard(resized('Ready', 1), 'Ready')]
  assert.equal(steps({ wanted: [resized('Allocated', 2)], entries: had }), ['resize s/1'])
  assert.equal(steps({ wanted: [resized('Allocated', 1)], entries: had }), [])
  assert.equal(steps({ wanted: [grant('s', 'Ready')], entries: had }), [])
  assert.equal(steps({ wanted: [resized('Stopping', 2)], entries: had }), ['stop s/1'])
  const claimed = [aboard(grant('s', 'Starting'), 'Claimed', { containerId: null })]
  assert.equal(steps({ wanted: [resized('Starting', 1)], entries: claimed }), [])
})

test('limits: what Docker is asked for, and what a container has', () => {
  const spec = (more: object) =>
    BlueprintSpec.parse({ image: 'i', resources: { cpuMillis: 250, memoryMiB: 64 }, ...more })
  const quota = limitsOf(spec({}))
  const shares = limitsOf(spec({ limits: { cpu: 'shares' } }))
  assert.is(quota.CpuQuota, 25_000)
  assert.is(changeTo(shares).CpuQuota, -1, 'left out it would stay')
  assert.ok(sameLimits(quota, { ...quota }) && sameLimits(shares, changeTo(shares)))
  for (const other of [shares, { ...quota, PidsLimit: 9 }, { ...quota, Memory: 9 }])
    assert.not.ok(sameLimits(quota, other))
  const was = { cpuMillis: 1, memoryMiB: 1, diskMiB: 7 }
  for (const one of [quota, shares])
    assert.equal(resourcesBy(one, was), { cpuMillis: 250, memoryMiB: 64, diskMiB: 7 })
})

test('compare: what runs although its ending was decided, and what was ended before anybody said what it is', () => {
  const ending = { ending: { why: 'given-back', reason: 'r' } } as const
  const [running, ended] = [
    aboard(grant('a', 'Ready'), 'Found', ending),
    aboard(grant('b', 'Ready'), 'Found', ending),
  ]
  const containers = [found('a', 1, 'running'), found('b', 1, 'ended')]
  const differences = compare({
    aboard: [running, ended],
    containers,
    left: () => false,
    unreported: () => false,
  })
  assert.equal(differences.ending, [running])
  assert.equal(differences.ended, [ended])
})

test('compare: ended, done and unknown', () => {
  const running = aboard(grant('running', 'Ready'), 'Ready')
  const ended = aboard(grant('ended', 'Ready'), 'Ready')
  const removed = aboard(grant('removed', 'Ready'), 'Unhealthy')
  const claimed = aboard(grant('claimed', 'Starting'), 'Claimed', { containerId: null })
  const unasked = aboard(grant('unasked', 'Ready'), 'Found')
  const differences = compare({
    aboard: [running, ended, removed, claimed, unasked],
    containers: [
      found('running', 1, 'running'),
      found('ended', 1, 'ended'),
      found('claimed', 1, 'created'),
      found('unasked', 1, 'ended'),
      found('told', 1, 'ended'),
      found('untold', 1, 'ended'),
      found('foundling', 1, 'running'),
    ],
    left: ({ ship }) => ship === 'told' || ship === 'untold',
    unreported: ({ ship }) => ship === 'untold',
  })
  assert.equal(differences.ended, [ended, removed])
  assert.equal(
    differences.done.map(({ ship }) => ship),
    ['told'],
  )
  assert.equal(
    differences.unknown.map(({ ship }) => ship),
    ['foundling'],
  )
})

const exit = (code: number, oomKilled = false) => ({
  code,
  oomKilled,
  logTail: ['a', 'last', ''],
  at: '2026-01-01T00:00:00.000Z',
})
const remains = (code: number, oomKilled = false) => ({
  exit: exit(code, oomKilled),
  hostRestarted: false,
  error: '',
})

test('verdict: before Ready it is given back, after Ready its code decides', () => {
  const early = verdict(aboard(grant('s', 'Starting'), 'Starting'), remains(0))
  assert.is(early?.state, 'Returned')
  assert.is(early?.state === 'Returned' && early.fault, true)
  assert.is(verdict(aboard(grant('s', 'Ready'), 'Ready'), remains(0))?.state, 'Stopped')
  const crash = verdict(aboard(grant('s', 'Ready'), 'Unhealthy'), remains(139))
  assert.is(crash?.state === 'Failed' && crash.reason, 'it ended with exit code 139; its last line: last')
  const oom = verdict(aboard(grant('s', 'Ready'), 'Ready'), remains(137, true))
  assert.match(oom?.state === 'Failed' ? oom.reason : '', /more than its 512 MiB of memory \(OOM/)
})

test('verdict: an ending of ours outweighs the code', () => {
  const ending = (why: Aboard['ending']) => aboard(grant('s', 'Ready'), 'Ready', { ending: why })
  assert.is(verdict(ending({ why: 'asked' }), remains(137))?.state, 'Stopped')
  assert.is(verdict(ending({ why: 'stray' }), remains(1)), null)
  const late = verdict(ending({ why: 'late', reason: 'too late' }), remains(143))
  assert.ok(late?.state === 'Returned' && late.fault && late.reason === 'too late')
  const back = verdict(ending({ why: 'given-back', reason: 'leaving' }), remains(143))
  assert.ok(back?.state === 'Returned' && !back.fault)
  const reboot = verdict(ending(null), { exit: exit(137), hostRestarted: true, error: '' })
  assert.ok(reboot?.state === 'Returned' && !reboot.fault && reboot.reason === 'the host restarted')
})

test('cut-off: ends before the cluster may start it elsewhere, and only with policy replace', () => {
  const spec = (lifecycle: object) => grant('s', 'Ready', 1, { lifecycle }).spec
  assert.is(cutOffAfterMs(spec({ hostLost: { afterMs: 30_000 }, graceMs: 10_000 }), 10_000), 14_000)
  assert.is(cutOffAfterMs(spec({ hostLost: { afterMs: 2_000 }, graceMs: 10_000 }), 2_000), 1_000)
  assert.is(cutOffAfterMs(spec({ hostLost: { policy: 'wait' } }), 10_000), null)
  assert.is(cutOffAfterMs(spec({ hostLost: { policy: 'fail' } }), 10_000), null)
})

test.run()
