// The queue of one webhook: order, limits, and a cursor that never passes what is unsettled.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { suite } from 'uvu'
import { pauseAfter } from '../../../../../functions/runners/controllers/webhooks/deliverer.ts'
import { DeliveryQueue } from '../../../../../functions/runners/controllers/webhooks/deliveryQueue.ts'
import { outcomeOf } from '../../../../../functions/runners/controllers/webhooks/sender.ts'
import { wants } from '../../../../../shared/model/webhook.ts'

const test = suite('delivery queue')
const message = { type: 'ship.ready', timestamp: '2026-11-02T18:04:07.812Z', data: {} }
const ids = (deliveries: readonly { id: string }[]) => deliveries.map(({ id }) => id)

test('one of a lane at a time, in order; other lanes go on', () => {
  const queue = new DeliveryQueue('0-0')
  for (const [id, lane] of Object.entries({ '1-0': 'a', '2-0': 'a', '3-0': 'b' }))
    queue.add(id, lane, message)
  const [first, other] = queue.due(0)
  assert.deepEqual(ids([first, other] as never), ['1-0', '3-0'])
  queue.delivered(other as never)
  assert.deepEqual(queue.due(0), [])
  assert.equal(queue.cursor, '0-0')
  queue.retry(first as never, 500)
  assert.deepEqual(queue.due(499), [])
  assert.equal(queue.idleMs(100), 400)
  assert.deepEqual(ids(queue.due(500)), ['1-0'])
  assert.equal(first?.tries, 2)
  queue.delivered(first as never)
  assert.equal(queue.cursor, '1-0')
})

test('eight in flight at most, and none while the queue is held', () => {
  const queue = new DeliveryQueue('0-0')
  for (let i = 1; i <= 20; i++) queue.add(`${i}-0`, `lane ${i}`, message)
  const flying = queue.due(0)
  assert.equal(flying.length, 8)
  assert.equal(queue.due(0).length, 0)
  queue.hold(1_000)
  for (const one of flying) queue.delivered(one)
  assert.equal(queue.due(999).length, 0)
  assert.equal(queue.idleMs(0), 1_000)
  assert.equal(queue.due(1_000).length, 8)
})

test('what was given up frees its lane, and holds the cursor until it is recorded', () => {
  const queue = new DeliveryQueue('0-0')
  queue.add('1-0', 'a', message)
  queue.add('2-0', 'a', message)
  queue.giveUp(queue.due(0)[0] as never)
  queue.delivered(queue.due(0)[0] as never)
  assert.equal(queue.cursor, '0-0')
  queue.settle('1-0')
  assert.equal(queue.cursor, '2-0')
  queue.skip('9-0')
  assert.equal(queue.cursor, '9-0')
})

test('redeliveries hold no cursor up, and come once', () => {
  const queue = new DeliveryQueue('5-0')
  queue.addBeside('1-0', message)
  queue.addBeside('1-0', message)
  assert.equal(queue.cursor, '5-0')
  assert.deepEqual(ids(queue.due(0)), ['1-0'])
})

test('whatever happens: order in each lane, and a cursor before everything unsettled', () => {
  const step = fc.record({
    lane: fc.nat(3),
    act: fc.constantFrom('add', 'skip', 'deliver', 'retry', 'giveUp'),
    pick: fc.nat(7),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const queue = new DeliveryQueue('0-0')
      const flying: ReturnType<DeliveryQueue['due']> = []
      const unsettled = new Set<number>()
      const lastOfLane = new Map<string, number>()
      let read = 0
      let nowMs = 0
      for (const { lane, act, pick } of steps) {
        nowMs++
        if (act === 'add') {
          unsettled.add(++read)
          queue.add(`${read}-0`, `lane ${lane}`, message)
        } else if (act === 'skip') queue.skip(`${++read}-0`)
        else if (flying.length > 0) {
          const [one] = flying.splice(pick % flying.length, 1) as [(typeof flying)[number]]
          const number = Number(one.id.split('-')[0])
          if (act === 'retry') queue.retry(one, nowMs)
          else {
            if (act === 'giveUp') {
              queue.giveUp(one)
              queue.settle(one.id)
            } else queue.delivered(one)
            assert.ok(number > (lastOfLane.get(one.lane) ?? 0), `${one.id} after ${lastOfLane.get(one.lane)}`)
            lastOfLane.set(one.lane, number)
            unsettled.delete(number)
          }
        }
        flying.push(...queue.due(nowMs))
        assert.equal(new Set(flying.map((one) => one.lane)).size, flying.length)
        assert.ok(flying.length <= 8)
        const cursor = Number(queue.cursor.split('-')[0])
        assert.equal(cursor, Math.min(read, ...[...unsettled].map((one) => one - 1)))
        assert.equal(queue.size, unsettled.size)
      }
    }),
  )
})

test('pauses double up to five minutes, and are spread', () => {
  assert.deepEqual(
    [1, 2, 3, 9, 10, 20].map((tries) => pauseAfter(tries, 1)),
    [1_000, 2_000, 4_000, 256_000, 300_000, 300_000],
  )
  assert.equal(pauseAfter(3, 0), 2_000)
})

test('what an answer means', () => {
  const nowMs = Date.parse('2026-11-02T18:00:00Z')
  for (const status of [200, 201, 204, 299])
    assert.deepEqual(outcomeOf(status, '', nowMs), { is: 'delivered' })
  assert.equal(outcomeOf(410, '', nowMs).is, 'gone')
  assert.match((outcomeOf(302, '', nowMs) as { reason: string }).reason, /redirects are not followed/)
  const waitOf = (status: number, after: string) =>
    (outcomeOf(status, after, nowMs) as { waitMs?: number }).waitMs
  assert.equal(waitOf(429, '7'), 7_000)
  assert.equal(waitOf(503, 'Mon, 02 Nov 2026 18:01:00 GMT'), 60_000)
  assert.equal(waitOf(503, '86400'), 300_000)
  for (const none of ['', '-5', 'soon', 'Mon, 02 Nov 2026 17:00:00 GMT'])
    assert.equal(waitOf(503, none), undefined)
  assert.equal(waitOf(500, '7'), undefined)
})

test('patterns choose events and fleets', () => {
  const all = { events: ['*'], fleets: null }
  assert.ok(wants(all, 'ship.ready', null))
  assert.ok(wants({ events: ['ship.*'], fleets: null }, 'ship.ready', 'lobby'))
  assert.ok(!wants({ events: ['ship.*', 'fleet.created'], fleets: null }, 'fleet.scaled', 'lobby'))
  assert.ok(wants({ events: ['*'], fleets: ['lobby-*'] }, 'ship.ready', 'lobby-eu'))
  assert.ok(!wants({ events: ['*'], fleets: ['lobby-*'] }, 'ship.ready', 'lobby'))
  assert.ok(!wants({ events: ['*'], fleets: ['*'] }, 'ship.ready', null))
  assert.ok(wants({ events: ['*'], fleets: ['a*b*c'] }, 'ship.ready', 'a-b-b-c'))
  assert.ok(!wants({ events: ['*'], fleets: ['ab*ba'] }, 'ship.ready', 'aba'))
  assert.ok(
    !wants({ events: ['*'], fleets: ['*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b'] }, 'ship.ready', 'a'.repeat(54)),
  )
})

test.run()
