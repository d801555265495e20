// Dead letters for people: what webhooks could not deliver, to be looked at, sent again or forgotten.
import * as routes from '../../../shared/api/webhooks.ts'
import { ArmadaError } from '../../../shared/errors.ts'
import { guarded } from '../../middleware/authenticate.ts'
import type { Stores } from '../../stores/stores.ts'
import type { WebhookRecord } from '../../stores/webhooks.ts'
import { serviceApp } from '../serviceApp.ts'
import { noSuchWebhook } from '../webhooks.ts'

export function deadLetterService({ webhooks, deadLetters }: Pick<Stores, 'webhooks' | 'deadLetters'>) {
  return serviceApp()
    .openapi(guarded(routes.listDeadLetters), async (c) => {
      const { name } = await webhookNamed(c.req.valid('param').webhook)
      const { limit, cursor } = c.req.valid('query')
      const left = await deadLetters.list(name, cursor)
      const page = left.slice(0, limit)
      const nextCursor = left.length > limit ? (page.at(-1)?.id ?? null) : null
      return c.json({ deadLetters: page, nextCursor }, 200)
    })
    .openapi(guarded(routes.getDeadLetter), async (c) => {
      const { webhook, letter } = c.req.valid('param')
      const found = await deadLetters.read(webhook, letter)
      if (!found) throw noSuchLetter(webhook, letter)
      return c.json(found, 200)
    })
    .openapi(guarded(routes.redeliver), async (c) => {
      const { webhook, letter } = c.req.valid('param')
      const { enabled } = await webhookNamed(webhook)
      if (!enabled) {
        throw new ArmadaError('conflict', `Webhook "${webhook}" is disabled. PATCH {"enabled": true} first.`)
      }
      const wanted = await deadLetters.wantAgain(webhook, letter)
      if (!wanted) throw noSuchLetter(webhook, letter)
      return c.json(wanted, 202)
    })
    .openapi(guarded(routes.deleteDeadLetter), async (c) => {
      const { webhook, letter } = c.req.valid('param')
      if (!(await deadLetters.remove(webhook, letter))) throw noSuchLetter(webhook, letter)
      return c.json({ deleted: letter }, 200)
    })

  async function webhookNamed(name: string): Promise<WebhookRecord> {
    const row = await webhooks.get(name)
    if (!row) throw noSuchWebhook(name)
    return row.value
  }
}

function noSuchLetter(webhook: string, id: string): ArmadaError {
  return new ArmadaError(
    'not_found',
    `Webhook "${webhook}" has no dead letter ${id}. It may have been delivered, or dropped for newer ones.`,
  )
}
