// Webhooks in the API's examples.
import type { DeadLetter, WebhookView } from '../model/webhook.ts'

const webhook: WebhookView = {
  name: 'match-results',
  url: 'https://matches.example/armada',
  events: ['ship.ready', 'ship.stopped', 'ship.failed'],
  fleets: ['lobby'],
  attempts: 12,
  enabled: true,
  createdAt: '2026-11-02T17:40:00.000Z',
  revision: '4690',
  disabledReason: null,
  secretsOverlapUntil: null,
  status: {
    cursor: '4711-0',
    pending: 0,
    delivered: 118,
    lastDeliveryAt: '2026-11-02T18:04:07.930Z',
    failingSince: null,
    lastFailure: { at: '2026-11-02T17:58:12.004Z', reason: 'HTTP 502' },
    deadLettersDropped: 0,
    gaps: 0,
    deadLetters: 1,
  },
}

const deadLetter: DeadLetter = {
  id: '4711-0',
  message: {
    type: 'ship.ready',
    timestamp: '2026-11-02T18:04:07.812Z',
    data: { id: '4711-0', type: 'ship.ready', ship: 'arena-d87jtxqw', fleet: 'lobby', number: 4 },
  },
  attempts: 12,
  failedAt: '2026-11-02T18:18:41.300Z',
  reason: 'HTTP 502',
  redeliver: false,
}

const testLetter: DeadLetter = {
  id: 'test-1793643847930-0',
  message: {
    type: 'webhook.test',
    timestamp: '2026-11-02T18:04:07.930Z',
    data: { webhook: 'match-results' },
  },
  attempts: 0,
  failedAt: null,
  reason: null,
  redeliver: true,
}

export const webhookExamples = {
  webhook,
  webhookMade: { ...webhook, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwqZ1mW0q6k0s=' },
  makeWebhook: { name: 'match-results', url: webhook.url, events: webhook.events, fleets: webhook.fleets },
  deadLetter,
  testLetter,
}
