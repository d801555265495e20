// Deliveries, for the leading controllers: the webhooks with their secrets, and how far each is.
import * as routes from '../../../shared/api/deliveries.ts'
import type { Log } from '../../../shared/log.ts'
import { guarded } from '../../middleware/authenticate.ts'
import type { Row } from '../../stores/mirror/table.ts'
import type { Seal } from '../../stores/seal.ts'
import type { Stores } from '../../stores/stores.ts'
import type { WebhookRecord } from '../../stores/webhooks.ts'
import { serviceApp } from '../serviceApp.ts'
import { living } from '../webhooks.ts'

/** So many of a webhook's dead letters are sent again at a time. */
const redeliveriesShown = 50

export function deliveryService(
  { webhooks, deadLetters, epochs }: Pick<Stores, 'webhooks' | 'deadLetters' | 'epochs'>,
  seal: Seal,
  log: Log,
) {
  return serviceApp()
    .openapi(guarded(routes.listOutlets), (c) => {
      const outlets = [...webhooks.table.rows()].flatMap(([, row]) => outletOf(row))
      return c.json({ outlets }, 200)
    })
    .openapi(guarded(routes.reportDeliveries), async (c) => {
      const { epoch, reports } = c.req.valid('json')
      const fence = await epochs.fence('controllers', epoch)
      const there = await Promise.all(reports.map((report) => webhooks.report(report, fence)))
      const names = reports.map(({ webhook }) => webhook)
      return c.json({ kept: names.filter((_, i) => there[i]), gone: names.filter((_, i) => !there[i]) }, 200)
    })

  function outletOf({ value, revision }: Row<WebhookRecord>): routes.Outlet[] {
    const { disabledReason: _, secrets, ...webhook } = value
    const progress = webhooks.progress.get(value.name)?.value
    if (!progress) return []
    const open = living(secrets).map(({ sealed }) => seal.open(sealed, value.name))
    if (open.includes(undefined)) {
      log.warn({ webhook: value.name }, 'the secret of a webhook was sealed with another ARMADA_SECRETS_KEY')
      return []
    }
    return [
      {
        ...webhook,
        progress,
        revision: String(revision),
        secrets: open.filter((secret) => secret !== undefined),
        redeliver: deadLetters.wanted(value.name).slice(0, redeliveriesShown),
      },
    ]
  }
}
