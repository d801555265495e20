// Webhooks for people: made, changed, paused, given new secrets, deleted.
import { createHash, randomInt } from 'node:crypto'
import type { Context } from 'hono'
import type { AddressGuard } from '../../shared/addressGuard.ts'
import * as routes from '../../shared/api/webhooks.ts'
import { ArmadaError } from '../../shared/errors.ts'
import { randomId } from '../../shared/model/name.ts'
import type { DeadLetter, WebhookView } from '../../shared/model/webhook.ts'
import { newWebhookSecret } from '../../shared/webhookSignature.ts'
import { type Env, guarded } from '../middleware/authenticate.ts'
import type { Row } from '../stores/mirror/table.ts'
import type { Seal } from '../stores/seal.ts'
import type { Stores } from '../stores/stores.ts'
import type { KeptSecret, WebhookRecord } from '../stores/webhooks.ts'
import { assertMatch, tag } from './changes/matching.ts'
import { serviceApp } from './serviceApp.ts'

/** Each is one more stream of events for the leading controllers. */
const mostWebhooks = 64

export function webhookService(stores: Stores, seal: Seal, guard: AddressGuard) {
  const { webhooks, deadLetters } = stores
  return serviceApp()
    .openapi(guarded(routes.createWebhook), async (c) => {
      const { secret = newWebhookSecret(), ...wanted } = c.req.valid('json')
      c.set('subject', wanted.name)
      assertUrl(wanted.url)
      if (webhooks.table.size >= mostWebhooks) {
        throw new ArmadaError('conflict', `There are ${mostWebhooks} webhooks already. Delete one first.`)
      }
      const kept = keptSecret(c, wanted.name, secret)
      const record: WebhookRecord = {
        ...wanted,
        ...{ createdAt: new Date().toISOString(), made: randomId(), disabledReason: null, secrets: [kept] },
      }
      const row = (await webhooks.create(record)) ?? (await madeBefore(kept, wanted.name))
      return c.json({ ...viewOf(c, row), secret }, 201)
    })
    .openapi(guarded(routes.listWebhooks), (c) => {
      const rows = [...webhooks.table.rows()].map(([, row]) => row)
      return c.json({ webhooks: rows.map((row) => viewOf(c, row)) }, 200)
    })
    .openapi(guarded(routes.getWebhook), async (c) => {
      const row = await webhookNamed(c.req.valid('param').webhook)
      tag(c, row)
      return c.json(viewOf(c, row), 200)
    })
    .openapi(guarded(routes.patchWebhook), async (c) => {
      const { webhook } = c.req.valid('param')
      const { url, events, fleets, attempts, enabled } = c.req.valid('json')
      if (url !== undefined) assertUrl(url)
      const row = await change(webhook, (row) => {
        assertMatch(row, c.req.valid('header')['if-match'], `Webhook "${webhook}"`)
        const { value } = row
        return {
          ...value,
          url: url ?? value.url,
          events: events ?? value.events,
          fleets: fleets === undefined ? value.fleets : fleets,
          attempts: attempts ?? value.attempts,
          enabled: enabled ?? value.enabled,
          disabledReason: enabled === undefined ? value.disabledReason : null,
        }
      })
      return c.json(viewOf(c, row), 200)
    })
    .openapi(guarded(routes.deleteWebhook), async (c) => {
      const { webhook } = c.req.valid('param')
      if (!(await webhooks.remove(webhook))) throw noSuchWebhook(webhook)
      return c.json({ deleted: webhook }, 200)
    })
    .openapi(guarded(routes.rotateSecret), async (c) => {
      const { webhook } = c.req.valid('param')
      const { secret = newWebhookSecret(), overlapSeconds = 86_400 } = c.req.valid('json') ?? {}
      const kept = keptSecret(c, webhook, secret)
      const until = new Date(Date.now() + overlapSeconds * 1_000).toISOString()
      const row = await change(webhook, ({ value }) => {
        const [newest, ...older] = living(value.secrets)
        // The answer to the same request got lost, so nobody has the secret that it made.
        if (newest && kept.by !== null && newest.by === kept.by)
          return { ...value, secrets: [kept, ...older] }
        if (overlapSeconds === 0) return { ...value, secrets: [kept] }
        if (older[0]) throw stillOverlapping(webhook, older[0])
        return { ...value, secrets: [kept, ...(newest ? [{ ...newest, until }] : [])] }
      })
      return c.json({ ...viewOf(c, row), secret }, 200)
    })
    .openapi(guarded(routes.testWebhook), async (c) => {
      const { value } = await webhookNamed(c.req.valid('param').webhook)
      if (!value.enabled) {
        throw new ArmadaError(
          'conflict',
          `Webhook "${value.name}" is disabled. PATCH {"enabled": true} first.`,
        )
      }
      const timestamp = new Date().toISOString()
      const letter: DeadLetter = {
        id: `test-${Date.now()}-${randomInt(100_000)}`,
        message: { type: 'webhook.test', timestamp, data: { webhook: value.name } },
        ...{ attempts: 0, failedAt: null, reason: null, redeliver: true },
      }
      await deadLetters.add(value.name, letter)
      return c.json(letter, 202)
    })

  async function webhookNamed(name: string): Promise<Row<WebhookRecord>> {
    const row = await webhooks.get(name)
    if (!row) throw noSuchWebhook(name)
    return row
  }

  async function change(
    name: string,
    next: (row: Row<WebhookRecord>) => WebhookRecord,
  ): Promise<Row<WebhookRecord>> {
    const row = await webhooks.change(name, next)
    if (!row) throw noSuchWebhook(name)
    return row
  }

  function assertUrl(url: string): void {
    const why = guard.refusalOfUrl(new URL(url))
    if (why) throw new ArmadaError('invalid_request', `In the body, url: ${why}.`)
  }

  function keptSecret(c: Context<Env>, webhook: string, secret: string): KeptSecret {
    const key = c.req.header('idempotency-key')
    const by = key === undefined ? null : createHash('sha256').update(key).digest('hex')
    return { sealed: seal.close(secret, webhook), until: null, by }
  }

  /** The webhook that the same request made, whose answer got lost: nobody has its secret, so it gets this one. */
  async function madeBefore(kept: KeptSecret, name: string): Promise<Row<WebhookRecord>> {
    return await change(name, ({ value }) => {
      if (kept.by !== null && value.secrets.length === 1 && value.secrets[0]?.by === kept.by) {
        return { ...value, secrets: [kept] }
      }
      throw new ArmadaError(
        'conflict',
        `There is a webhook "${name}" already. PATCH changes it; POST /v1/webhooks/${name}/rotate-secret gives it a new secret.`,
      )
    })
  }

  function viewOf(c: Context<Env>, { value, revision }: Row<WebhookRecord>): WebhookView {
    const { made: _, secrets, disabledReason, ...shown } = value
    const progress = webhooks.progress.get(value.name)?.value
    const { url } = shown
    const unreadable = secrets.some(({ sealed }) => seal.open(sealed, value.name) === undefined)
    return {
      ...shown,
      url: c.get('caller').role === 'admin' ? url : `${new URL(url).origin}/…`,
      revision: String(revision),
      disabledReason: unreadable
        ? 'its secret was sealed with another ARMADA_SECRETS_KEY; rotate it with overlapSeconds 0'
        : disabledReason,
      secretsOverlapUntil: living(secrets)[1] ? (living(secrets)[1]?.until ?? null) : null,
      status: { ...(progress ?? untouched), deadLetters: deadLetters.count(value.name) },
    }
  }
}

const untouched = {
  ...{ cursor: '0', pending: 0, delivered: 0, lastDeliveryAt: null, failingSince: null },
  ...{ lastFailure: null, deadLettersDropped: 0, gaps: 0 },
}

/** Those that count just now. */
export function living(secrets: readonly KeptSecret[]): KeptSecret[] {
  const now = new Date().toISOString()
  return secrets.filter(({ until }) => until === null || until > now)
}

export function noSuchWebhook(name: string): ArmadaError {
  return new ArmadaError('not_found', `There is no webhook "${name}". POST /v1/webhooks creates one.`)
}

function stillOverlapping(name: string, { until }: KeptSecret): ArmadaError {
  return new ArmadaError(
    'conflict',
    `The last two secrets of webhook "${name}" overlap until ${until}. Wait, or send overlapSeconds 0, which ends both at once.`,
  )
}
