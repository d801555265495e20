// Routes of the controllers that deliver webhooks: what there is to deliver, and how far it is.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Name } from '../model/name.ts'
import { DeadLetter, MessageId, Webhook, WebhookProgress, WebhookSecret } from '../model/webhook.ts'
import { Epoch } from './fields.ts'
import { answer, body, failures, runners } from './route.ts'

const tags = ['controllers']

/** A report is one transaction, which takes 120 writes: each letter may drop an older one. */
export const lettersInReport = 50

export const Outlet = Webhook.extend({
  made: z.string().describe('Changes when it is deleted and made again; a report names it'),
  revision: z.string(),
  secrets: z.array(WebhookSecret).min(1).describe('Those that count just now, newest first'),
  progress: WebhookProgress,
  redeliver: z.array(MessageId).describe('Dead letters that are to be sent again, some at a time'),
})
/** A webhook as its deliverer needs it. */
export type Outlet = z.infer<typeof Outlet>

export const listOutlets = createRoute({
  method: 'get',
  path: '/v1/controllers/webhooks',
  tags,
  'x-roles': runners,
  summary: 'All webhooks with their secrets and cursors',
  responses: { 200: answer(z.strictObject({ outlets: z.array(Outlet) }), 'The webhooks'), ...failures() },
})

const { cursor, pending, lastDeliveryAt, failingSince, lastFailure } = WebhookProgress.shape

export const DeliveryReport = z.strictObject({
  webhook: Name,
  made: z.string(),
  ...{ cursor, pending, lastDeliveryAt, failingSince, lastFailure },
  delivered: z.int().min(0).describe('Since the report before'),
  gaps: z.int().min(0).describe('Since the report before'),
  letters: z.array(DeadLetter).max(lettersInReport).describe('Given up since the report before'),
  redelivered: z.array(MessageId).max(lettersInReport).describe('Dead letters that were delivered after all'),
  disable: z
    .strictObject({ reason: z.string().max(256), revision: z.string() })
    .nullable()
    .describe('That it is to be disabled, unless it has changed since that revision; null: it is not'),
})
export type DeliveryReport = z.infer<typeof DeliveryReport>

export const reportDeliveries = createRoute({
  method: 'post',
  path: '/v1/controllers/webhooks/reports',
  tags,
  'x-roles': runners,
  summary: 'How far the deliveries are',
  description: 'The cursor, the new dead letters and those that go are written together, or not at all.',
  request: {
    body: body(z.strictObject({ epoch: Epoch, reports: z.array(DeliveryReport).min(1).max(16) })),
  },
  responses: {
    200: answer(
      z.strictObject({ kept: z.array(Name), gone: z.array(Name).describe('Webhooks that were deleted') }),
      'Reports that were written',
    ),
    ...failures('stale_epoch'),
  },
})
