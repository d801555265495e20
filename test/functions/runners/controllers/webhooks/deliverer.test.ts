// One deliverer with a scripted stream and sender: bounds, and reports that are lost on their way.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import {
  Deliverer,
  type DelivererParts,
  type StreamedEvent,
} from '../../../../../functions/runners/controllers/webhooks/deliverer.ts'
import type { DeliveryReport, Outlet } from '../../../../../shared/api/deliveries.ts'
import { sleep } from '../../../../../shared/loop.ts'
import { newWebhookSecret } from '../../../../../shared/webhookSignature.ts'
import { until } from '../../../../harness/until.ts'
import { quiet } from '../../tree.ts'

const test = suite('deliverer')
const running: { deliverer: Deliverer; ended: Promise<void> }[] = []

function outletOf(change: Partial<Outlet> = {}): Outlet {
  return {
    ...{
      name: 'hook',
      url: 'https://hooks.example/',
      events: ['*'],
      fleets: null,
      attempts: 1,
      enabled: true,
    },
    ...{ createdAt: '2026-11-02T17:40:00.000Z', made: 'one', revision: '1', secrets: [newWebhookSecret()] },
    progress: {
      ...{ cursor: '0', pending: 0, delivered: 0, lastDeliveryAt: null, failingSince: null },
      ...{ lastFailure: null, deadLettersDropped: 0, gaps: 0 },
    },
    redeliver: [],
    ...change,
  }
}

function eventOf(i: number): StreamedEvent {
  const data = {
    id: `${i}-0`,
    type: 'ship.ready',
    at: '2026-11-02T18:04:07.812Z',
    ship: `s-${i % 50}`,
    fleet: null,
  }
  return { event: 'event', id: data.id, data: JSON.stringify(data) }
}

function start(parts: Partial<DelivererParts>, outlet = outletOf()): Deliverer {
  const deliverer = new Deliverer(outlet, {
    events: () => (async function* () {})(),
    sender: { send: async () => ({ is: 'delivered' }), close: async () => undefined },
    letterOf: async () => undefined,
    log: quiet,
    ...parts,
  })
  running.push({ deliverer, ended: deliverer.run() })
  return deliverer
}

test.after(async () => {
  for (const { deliverer } of running) deliverer.stop()
  await Promise.all(running.map(({ ended }) => ended))
})

test('a receiver that stands still: the stream is closed at the bound, and read on when there is room', async () => {
  const total = 3_000
  let open = false
  let read = 0
  let release: () => void = () => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const sent: string[] = []
  async function* events(after: string, signal: AbortSignal) {
    open = true
    try {
      for (read = Number.parseInt(after, 10); read < total; ) yield eventOf(++read)
      while (!signal.aborted) await sleep(1_000, signal)
    } finally {
      open = false
    }
  }
  const send = async ({ id }: { id: string }) => {
    await released
    sent.push(id)
    return { is: 'delivered' as const }
  }
  const deliverer = start({ events, sender: { send, close: async () => undefined } })
  await until(() => read >= 1_000 && !open)
  await sleep(300)
  assert.equal(read, 1_000)
  assert.equal(deliverer.report(60_000)?.pending, 1_000)
  release()
  await until(() => sent.length === total, 30_000)
  assert.equal(new Set(sent).size, total)
  await until(() => deliverer.report(120_000)?.cursor === `${total}-0`)
})

test('a report that was lost is made again, and the cursor passes no letter that was not recorded', async () => {
  async function* events(after: string, signal: AbortSignal) {
    for (let i = Number.parseInt(after, 10); i < 120; ) yield eventOf(++i)
    while (!signal.aborted) await sleep(1_000, signal)
  }
  let tried = 0
  const send = async () => {
    tried++
    return { is: 'failed' as const, reason: 'HTTP 500' }
  }
  const deliverer = start({ events, sender: { send, close: async () => undefined } })
  await until(() => tried === 120)
  const first = deliverer.report(0)
  assert.equal(first?.letters.length, 50)
  deliverer.unreported()
  const again = deliverer.report(0)
  assert.deepEqual(again?.letters, first?.letters)
  const recorded = new Set<string>()
  for (let report: DeliveryReport | undefined = again; report; report = deliverer.report(0)) {
    for (const { id } of report.letters) recorded.add(id)
    for (let i = 1; i <= Number.parseInt(report.cursor, 10); i++)
      assert.ok(recorded.has(`${i}-0`), report.cursor)
    deliverer.reported(report, 0)
  }
  assert.equal(recorded.size, 120)
})

test.run()
