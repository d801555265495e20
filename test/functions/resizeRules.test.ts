// The rules of other limits for ships that run: what is given in place, and what becomes of a ship meanwhile.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { givenInPlace, inPlaceIfSoft, relabelled } from '../../functions/services/changes/inPlace.ts'
import { requeue } from '../../functions/services/changes/lifecycle.ts'
import { notResized, raised, resizeAnswered, resizing } from '../../functions/services/changes/resizing.ts'
import { goingBack, goingTo } from '../../functions/services/changes/rolloutChanges.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import { heldBy, shortOf } from '../../shared/model/resize.ts'
import type { Ship } from '../../shared/model/ship.ts'

const test = suite('resize rules')
const spec = (more: object) => BlueprintSpec.parse({ image: 'game:1', ...more })
const sized = (memoryMiB: number, more: object = {}) => ({
  resources: { cpuMillis: 100, memoryMiB },
  ...more,
})

test('a revision is given in place when nothing but soft things and limits differ, and there are no canaries', () => {
  const from = spec(sized(100))
  const before = { name: 'f', blueprint: { name: 'b', revision: 1 }, labels: {} } as unknown as Fleet
  const rollout = { state: 'rolling', from: 1, to: 2 }
  const after = { ...before, blueprint: { name: 'b', revision: 2 } }
  const gone = (to: object, state = 'rolling') =>
    inPlaceIfSoft(before, { ...after, rollout: { ...rollout, state } } as Fleet, from, spec(to))
  const goes = (to: object, state?: string) => gone(to, state).relabel?.revisions
  const inPlace = { from: 1, to: 2, limits: true, labels: {} }
  assert.deepEqual(goes(sized(200)), inPlace)
  const labels = { a: 'b' }
  const both = sized(100, { limits: { cpu: 'shares', pids: 64 }, labels })
  assert.deepEqual(goes(both), { ...inPlace, labels })
  assert.deepEqual(goes(sized(100, { labels })), { from: 1, to: 2, labels })
  for (const other of [
    { env: { A: '1' } },
    { limits: { cpuSet: '0-1' } },
    { limits: { logMiB: 5 } },
    { network: 'host' },
  ])
    assert.equal(goes(sized(200, other)), undefined, JSON.stringify(other))
  assert.equal(goes(sized(200), 'canary'), undefined)
  assert.equal(gone({ ...sized(100), labels: { a: 'b' } }, 'canary').rollout?.state, 'rolling')
  assert.equal(gone(sized(200), 'rolling-back').rollout?.state, 'rolling-back')
})

test('who goes back before ships were given anything in place leaves them as they are', () => {
  const from = spec({ ...sized(100), labels: { map: 'old', gone: 'soon' } })
  const to = spec({ ...sized(200), labels: { map: 'new' } })
  const fleet = { name: 'f', blueprint: { name: 'b', revision: 1 }, labels: {} } as unknown as Fleet
  const ship = { state: 'Ready', blueprint: fleet.blueprint, labels: from.labels } as unknown as Ship
  const there = inPlaceIfSoft(fleet, goingTo(fleet, 2, 'by a test'), from, to)
  const limits = { to: 2, spec: to, verdict: 'no room' }
  assert.deepEqual(givenInPlace(ship, there, limits)?.labels, { map: 'new' })
  const back = inPlaceIfSoft(there, goingBack(there, 1, 'by a test'), to, from)
  assert.equal(back.blueprint.revision, 1)
  assert.equal(givenInPlace(ship, back), undefined)
  const asked = relabelled(there, { mode: 'duel' })
  assert.deepEqual(givenInPlace(ship, goingBack(asked, 1, 'by a test'))?.labels, {
    ...from.labels,
    mode: 'duel',
  })
})

test('a change of limits is done, refused or over, and counts with the larger amount until then', () => {
  const small = { cpuMillis: 100, memoryMiB: 100 }
  const large = { cpuMillis: 50, memoryMiB: 300, extra: { gpu: 1 } }
  assert.equal(shortOf(small, large, { cpuMillis: -500, memoryMiB: 200, extra: { gpu: 1 } }), undefined)
  assert.match(
    shortOf(small, large, { cpuMillis: 0, memoryMiB: 199 }) ?? '',
    /200 MiB of memory more, and 199 are free; 1 gpu more, and 0/,
  )

  const ship = {
    id: 's',
    host: 'h',
    attempt: 1,
    state: 'Ready',
    resources: small,
    blueprint: { name: 'b', revision: 1 },
  } as unknown as Ship
  const pending = resizing(ship, 2, spec({ resources: { cpuMillis: 50, memoryMiB: 300 } }))
  assert.deepEqual(heldBy(pending), { cpuMillis: 100, memoryMiB: 300 })
  const holding = { ship: 's', attempt: 1, fleet: null, resources: small, hostPorts: [] }
  assert.equal(raised(holding, 'h', pending).resources.memoryMiB, 300)
  assert.equal(raised({ ...holding, attempt: 2 }, 'h', pending).resources.memoryMiB, 100)
  const done = resizeAnswered(pending, 1, null)
  assert.ok(done && !resizeAnswered(done, 1, 'late') && !resizeAnswered(pending, 2, null))
  assert.deepEqual(heldBy(done), { cpuMillis: 50, memoryMiB: 300 })
  const back = resizeAnswered(pending, 1, 'no')
  assert.deepEqual([back?.resources, back?.blueprint.revision, back?.resize?.state], [small, 1, 'refused'])
  const kept = notResized(ship, 2, 'no')
  assert.equal(notResized(kept, 2, 'no'), kept)
  assert.equal(requeue(pending, 'agent', 'its start failed')?.resize, undefined)
})

test.run()
