// Webhook: an address that Armada tells about events, and what became of the telling.
import { z } from 'zod'
import { isWebhookSecret } from '../webhookSignature.ts'
import { eventTypes } from './event.ts'
import { Name } from './name.ts'
import { covers, FleetPattern, fits } from './token.ts'

const everyType = ['*', 'ship.*', 'fleet.*']

export const EventPattern = z
  .string()
  .refine(
    (text) => everyType.includes(text) || eventTypes.includes(text),
    `must be one of ${[...everyType, ...eventTypes].join(', ')}`,
  )

export const WebhookUrl = z
  .url({ protocol: /^https?$/ })
  .max(2_048)
  .describe(
    'https, and no redirects are followed. Private addresses, and plain http to them, only as far as ARMADA_WEBHOOK_ALLOW goes. May hold a token: only admins are shown more than its origin',
  )

export const WebhookSecret = z
  .string()
  .refine(isWebhookSecret, 'must be "whsec_" and 24 to 64 bytes in base64')
  .describe('`whsec_…` as in the Standard Webhooks specification')

export const Webhook = z.strictObject({
  name: Name,
  url: WebhookUrl,
  events: z.array(EventPattern).min(1).max(32).describe('Types of events: `ship.ready`, `ship.*`, `*`'),
  fleets: z
    .array(FleetPattern)
    .min(1)
    .max(32)
    .nullable()
    .describe(
      'Only events of fleets of these names and of their ships; null: all, also of ships without one',
    ),
  attempts: z
    .int()
    .min(1)
    .max(20)
    .describe(
      'Tries of one delivery before it becomes a dead letter. The pause between them doubles from 1 s to 5 min: 12 tries take about a quarter of an hour. What takes longer than etcd keeps its history is told as a gap if the leader changes meanwhile',
    ),
  enabled: z
    .boolean()
    .describe(
      'false: it pauses; when it is enabled again it goes on where it stopped, as far back as events are kept',
    ),
  createdAt: z.iso.datetime(),
})
export type Webhook = z.infer<typeof Webhook>

export const WebhookProgress = z.strictObject({
  cursor: z.string().describe('All events up to this one were delivered, or became dead letters'),
  pending: z.int().min(0).describe('Deliveries that are under way or wait for their next try; at most 1,000'),
  delivered: z.int().min(0).describe('Deliveries since it was made'),
  lastDeliveryAt: z.iso.datetime().nullable(),
  failingSince: z.iso.datetime().nullable().describe('First failure since the last delivery; null: none'),
  lastFailure: z
    .strictObject({ at: z.iso.datetime(), reason: z.string() })
    .nullable()
    .describe('Of any try, also when a later one succeeded'),
  deadLettersDropped: z.int().min(0).describe('The oldest go when there are more than 1,000'),
  gaps: z.int().min(0).describe('Times that events were no longer kept when they were to be delivered'),
})
export type WebhookProgress = z.infer<typeof WebhookProgress>

export const WebhookView = Webhook.extend({
  revision: z.string(),
  disabledReason: z.string().nullable().describe('Why Armada disabled it; null: it did not'),
  secretsOverlapUntil: z.iso
    .datetime()
    .nullable()
    .describe('Until then messages are signed with the secret before as well; null: with one secret only'),
  status: WebhookProgress.extend({ deadLetters: z.int().min(0) }).describe('At most a minute old'),
}).meta({ id: 'Webhook' })
/** A webhook as the API shows it: never with its secret. */
export type WebhookView = z.infer<typeof WebhookView>

export const MessageId = z
  .string()
  .regex(
    /^((gap|test)-)?\d{1,16}(-\d{1,5})?$/,
    'must be the id of a message, such as 4711-0; GET /v1/webhooks/{webhook}/dead-letters (`armada dead-letters`) lists those that can be sent again',
  )
  .describe('`webhook-id`: the id of the event. The same when it is sent again')

/** What is posted, as the Standard Webhooks specification recommends. */
export const WebhookMessage = z
  .strictObject({
    type: z
      .string()
      .describe(
        '`ship.ready` and so on; `webhook.test`; `webhook.gap`: events were lost before they could be delivered, so read anew what you keep',
      ),
    timestamp: z.iso.datetime().describe('When it happened'),
    data: z
      .record(z.string(), z.unknown())
      .describe('An `Event`; of a gap `after` and `from`, ids of events'),
  })
  .meta({ id: 'WebhookMessage' })
export type WebhookMessage = z.infer<typeof WebhookMessage>

export const DeadLetter = z
  .strictObject({
    id: MessageId,
    message: WebhookMessage,
    attempts: z.int().min(0),
    failedAt: z.iso.datetime().nullable(),
    reason: z.string().nullable().describe('Why the last try failed'),
    redeliver: z.boolean().describe('It is to be sent again; it goes when that succeeds'),
  })
  .meta({ id: 'DeadLetter' })
/** A message that was given up after the last try. */
export type DeadLetter = z.infer<typeof DeadLetter>

/** Whether the webhook wants events of this type about this fleet. */
export function wants(
  { events, fleets }: Pick<Webhook, 'events' | 'fleets'>,
  type: string,
  fleet: string | null,
): boolean {
  return events.some((pattern) => fits(pattern, type)) && covers(fleets, fleet)
}
