// Asking the webhook of a policy: real servers that answer well, badly, slowly, without end, or where nobody may go.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { review } from '../../../../../functions/runners/controllers/autoscale/review.ts'
import { guardedAgent } from '../../../../../functions/runners/controllers/outbound/guardedAgent.ts'
import { AddressGuard } from '../../../../../shared/addressGuard.ts'
import type { ScaledFleet } from '../../../../../shared/api/autoscaling.ts'
import { Autoscale } from '../../../../../shared/model/autoscale.ts'
import { Receiver } from '../../../../harness/receiver.ts'

const test = suite('review')
const opened: (() => Promise<unknown>)[] = []
const never = new AbortController().signal
const fleet: ScaledFleet = {
  ...{ name: 'lobby', replicas: 4, labels: { mode: 'duel' }, illInUse: 0, waiting: 0 },
  autoscale: Autoscale.parse({ policy: { type: 'fixed', replicas: 1 }, max: 9 }),
  ships: { Ready: 2, Reserved: 1, Allocated: 2, Stopping: 3, Failed: 1 },
  measures: {},
  totals: {
    counters: { rooms: { allocatedCount: 2, allocatedCapacity: 8, count: 3, capacity: 20 } },
    lists: { players: { allocatedCount: 1, allocatedCapacity: 10, count: 1, capacity: 50 } },
  },
}

async function ask(respond: Receiver['respond'], allowed = '127.0.0.0/8', limitMs = 10_000) {
  const receiver = await Receiver.start(respond)
  opened.push(() => receiver.stop())
  const guard = new AddressGuard(allowed)
  const dispatcher = guardedAgent({ guard })
  opened.push(() => dispatcher.destroy())
  const advice = await review(receiver.url, fleet, { guard, dispatcher, limitMs }, never)
  return { advice, receiver }
}

const answering = (response: object, status = 200) =>
  ask(({ body }, to) => {
    const { request } = JSON.parse(body)
    to.writeHead(status).end(JSON.stringify({ request, response: { uid: request.uid, ...response } }))
  })

test.after(async () => {
  for (const close of opened) await close()
})

test("the question is Agones', and so is the answer", async () => {
  const { advice, receiver } = await answering({ scale: true, replicas: 12 })
  assert.deepEqual(advice, { replicas: 12 })
  const { request } = JSON.parse(receiver.received[0]?.body ?? '{}')
  assert.deepEqual(
    { ...request, uid: 'any' },
    {
      ...{ uid: 'any', name: 'lobby', namespace: 'default', labels: { mode: 'duel' }, annotations: {} },
      status: {
        ...{ replicas: 5, readyReplicas: 2, reservedReplicas: 1, allocatedReplicas: 2 },
        ...fleet.totals,
      },
    },
  )
  assert.deepEqual((await answering({ scale: false, replicas: 12 })).advice, { replicas: null })
})

test('answers that are none', async () => {
  const cases: [Receiver['respond'], RegExp][] = [
    [(_, to) => to.writeHead(500).end(), /^HTTP 500$/],
    [(_, to) => to.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), /^HTTP 302$/],
    [(_, to) => to.end('nonsense'), /no FleetAutoscaleReview/],
    [(_, to) => to.end('{"response":{"scale":true,"replicas":-1}}'), /no FleetAutoscaleReview/],
    [(_, to) => to.end('{"response":{"uid":"other","scale":true,"replicas":1}}'), /another question/],
    [
      (_, to) => to.end(JSON.stringify({ response: { scale: true }, more: 'x'.repeat(20_000) })),
      /longer than/,
    ],
  ]
  for (const [respond, fault] of cases) {
    const { advice } = await ask(respond)
    assert.match('fault' in advice ? advice.fault : JSON.stringify(advice), fault)
  }
})

test('a server that never ends its answer is left after the limit', async () => {
  const { advice } = await ask((_, to) => void to.write('{'), '127.0.0.0/8', 200)
  assert.deepEqual(advice, { fault: 'no answer within 200 ms' })
})

test('where nobody may go, no connection is made', async () => {
  const { advice, receiver } = await ask((_, to) => to.end(), '10.0.0.0/8')
  assert.match('fault' in advice ? advice.fault : '', /refused: .*not a public address/)
  assert.equal(receiver.connections, 0)
})

test.run()
