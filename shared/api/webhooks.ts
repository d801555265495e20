// Routes of webhooks: addresses that are told about events, and what could not be delivered.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Name } from '../model/name.ts'
import { DeadLetter, MessageId, Webhook, WebhookSecret, WebhookView } from '../model/webhook.ts'
import { Cursor, IfMatch, Limit } from './fields.ts'
import { admins, answer, body, failures, optionalBody, readers } from './route.ts'
import { webhookExamples } from './webhookExamples.ts'

const tags = ['webhooks']
const params = z.object({ webhook: Name })
const letterParams = z.object({ webhook: Name, letter: MessageId })
const { url, events, fleets, attempts, enabled } = Webhook.shape

const WithSecret = WebhookView.extend({ secret: WebhookSecret.describe('Shown this once') })

export const WebhookRequest = z.strictObject({
  name: Name,
  url,
  events: events.default(['*']),
  fleets: fleets.default(null),
  attempts: attempts.default(12),
  enabled: enabled.default(true),
  secret: WebhookSecret.optional().describe('Default: Armada makes one'),
})
export type WebhookRequest = z.infer<typeof WebhookRequest>

export const createWebhook = createRoute({
  method: 'post',
  path: '/v1/webhooks',
  tags,
  'x-roles': admins,
  summary: 'Have an address told about events, from now on',
  description:
    'Each event is posted as JSON, signed after the Standard Webhooks specification (`webhook-id`, `webhook-timestamp`, `webhook-signature`). Any 2xx within 10 s is success; 410 disables the webhook; `Retry-After` with 429 or 503 is kept to up to 5 min; anything else, a redirect too, is tried again. At least once, and in order for each ship: an event comes after the one before it was delivered or given up. Doubles have the same `webhook-id`.',
  request: { body: body(WebhookRequest, webhookExamples.makeWebhook) },
  responses: {
    201: answer(WithSecret, 'The webhook with its secret', webhookExamples.webhookMade),
    ...failures('conflict'),
  },
})

export const listWebhooks = createRoute({
  method: 'get',
  path: '/v1/webhooks',
  tags,
  'x-roles': readers,
  summary: 'List webhooks by name',
  responses: {
    200: answer(z.strictObject({ webhooks: z.array(WebhookView) }), 'All webhooks', {
      webhooks: [webhookExamples.webhook],
    }),
    ...failures(),
  },
})

export const getWebhook = createRoute({
  method: 'get',
  path: '/v1/webhooks/{webhook}',
  tags,
  'x-roles': readers,
  summary: 'Look up a webhook, and how it fares',
  request: { params },
  responses: { 200: answer(WebhookView, 'The webhook', webhookExamples.webhook), ...failures('not_found') },
})

export const WebhookPatch = z
  .strictObject({
    url: url.optional(),
    events: events.optional(),
    fleets: fleets.optional(),
    attempts: attempts.optional(),
    enabled: enabled.optional(),
  })
  .refine((patch) => Object.keys(patch).length > 0, 'name at least one field')

export const patchWebhook = createRoute({
  method: 'patch',
  path: '/v1/webhooks/{webhook}',
  tags,
  'x-roles': admins,
  summary: 'Change a webhook, pause it, or let it go on',
  request: { params, headers: IfMatch, body: body(WebhookPatch, { enabled: true }) },
  responses: {
    200: answer(WebhookView, 'The webhook', webhookExamples.webhook),
    ...failures('not_found', 'revision_mismatch'),
  },
})

export const deleteWebhook = createRoute({
  method: 'delete',
  path: '/v1/webhooks/{webhook}',
  tags,
  'x-roles': admins,
  summary: 'Forget a webhook and its dead letters',
  request: { params },
  responses: {
    200: answer(z.strictObject({ deleted: Name }), 'It is gone', { deleted: 'match-results' }),
    ...failures('not_found'),
  },
})

export const rotateSecret = createRoute({
  method: 'post',
  path: '/v1/webhooks/{webhook}/rotate-secret',
  tags,
  'x-roles': admins,
  summary: 'Give a webhook a new secret',
  description:
    'Until the overlap ends messages carry the signatures of both secrets, so that the receiver can change at any moment in between.',
  request: {
    params,
    body: optionalBody(
      z.strictObject({
        secret: WebhookSecret.optional().describe('Default: Armada makes one'),
        overlapSeconds: z
          .int()
          .min(0)
          .max(604_800)
          .default(86_400)
          .describe('How long the secret before still counts; 0: it has leaked'),
      }),
      { overlapSeconds: 3_600 },
    ),
  },
  responses: {
    200: answer(WithSecret, 'The webhook with its new secret', webhookExamples.webhookMade),
    ...failures('not_found', 'conflict'),
  },
})

export const testWebhook = createRoute({
  method: 'post',
  path: '/v1/webhooks/{webhook}/test',
  tags,
  'x-roles': admins,
  summary: 'Send a message of type webhook.test',
  description:
    'It is delivered like any other, but beside the order; until it is, it stands among the dead letters.',
  request: { params },
  responses: {
    202: answer(DeadLetter, 'The message that is sent', webhookExamples.testLetter),
    ...failures('not_found', 'conflict'),
  },
})

export const listDeadLetters = createRoute({
  method: 'get',
  path: '/v1/webhooks/{webhook}/dead-letters',
  tags,
  'x-roles': readers,
  summary: 'List what could not be delivered, oldest first',
  request: { params, query: z.object({ limit: Limit, cursor: Cursor }) },
  responses: {
    200: answer(
      z.strictObject({ deadLetters: z.array(DeadLetter), nextCursor: z.string().nullable() }),
      'A page of dead letters',
      { deadLetters: [webhookExamples.deadLetter], nextCursor: null },
    ),
    ...failures('not_found'),
  },
})

export const getDeadLetter = createRoute({
  method: 'get',
  path: '/v1/webhooks/{webhook}/dead-letters/{letter}',
  tags,
  'x-roles': readers,
  summary: 'Look up a dead letter',
  request: { params: letterParams },
  responses: {
    200: answer(DeadLetter, 'The dead letter', webhookExamples.deadLetter),
    ...failures('not_found'),
  },
})

export const redeliver = createRoute({
  method: 'post',
  path: '/v1/webhooks/{webhook}/dead-letters/{letter}/redeliver',
  tags,
  'x-roles': admins,
  summary: 'Try to deliver a dead letter once more',
  description: 'Beside the order of its ship, with as many tries as any other. It goes when it is delivered.',
  request: { params: letterParams },
  responses: {
    202: answer(DeadLetter, 'The dead letter', { ...webhookExamples.deadLetter, redeliver: true }),
    ...failures('not_found', 'conflict'),
  },
})

export const deleteDeadLetter = createRoute({
  method: 'delete',
  path: '/v1/webhooks/{webhook}/dead-letters/{letter}',
  tags,
  'x-roles': admins,
  summary: 'Forget a dead letter',
  request: { params: letterParams },
  responses: {
    200: answer(z.strictObject({ deleted: MessageId }), 'It is gone', { deleted: '4711-0' }),
    ...failures('not_found'),
  },
})
