// Webhooks: a deliverer for each that is enabled, and what they report, once a second.
//
// INVARIANTS
// - Deliverers keep nothing that a later leader needs: it begins where the last report left the cursor.
// - The secrets of webhooks are held in memory only, and never logged.
import type { AddressGuard } from '../../../../shared/addressGuard.ts'
import { answerOf } from '../../../../shared/api/client.ts'
import type { DeliveryReport, Outlet } from '../../../../shared/api/deliveries.ts'
import { ArmadaError, messageOf } from '../../../../shared/errors.ts'
import type { DeadLetter } from '../../../../shared/model/webhook.ts'
import { ledLoop } from '../../ledLoop.ts'
import type { Office } from '../office.ts'
import { Deliverer, type EventSource } from './deliverer.ts'
import { Sender } from './sender.ts'

const everyMs = 1_000
/** A request takes 2 MB; the dead letters of a report may have 500 KB. */
const reportsInCall = 4

export interface WebhookParts {
  events: EventSource
  guard: AddressGuard
}

type WebhooksOptions = Office & WebhookParts

export async function keepWebhooks(options: WebhooksOptions): Promise<void> {
  const { client, log, signal } = options
  const deliverers = new Deliverers(options)
  try {
    await ledLoop({ name: 'webhooks', everyMs, signal, log }, async () => {
      const { outlets } = await answerOf(client.v1.controllers.webhooks.$get({}, { init: { signal } }))
      await deliverers.follow(outlets)
      await deliverers.report()
    })
  } finally {
    await deliverers.dismiss()
  }
}

class Deliverers {
  readonly #options: WebhooksOptions
  readonly #byName = new Map<string, Deliverer>()
  readonly #running = new Set<Promise<void>>()

  constructor(options: WebhooksOptions) {
    this.#options = options
  }

  /** Brings the deliverers in line with the webhooks there are. */
  async follow(outlets: readonly Outlet[]): Promise<void> {
    const enabled = new Map(outlets.filter((outlet) => outlet.enabled).map((outlet) => [outlet.name, outlet]))
    for (const [name, deliverer] of this.#byName) {
      const outlet = enabled.get(name)
      const goesOn =
        outlet?.made === deliverer.outlet.made && !(deliverer.halted && changed(deliverer, outlet))
      if (goesOn) continue
      deliverer.stop()
      this.#byName.delete(name)
    }
    for (const [name, outlet] of enabled) {
      const deliverer = this.#byName.get(name) ?? this.#start(outlet)
      if (deliverer.halted) continue
      await deliverer.update(outlet).catch((error) => {
        this.#options.log.warn(
          { webhook: name, error: messageOf(error) },
          'dead letters cannot be sent again yet',
        )
      })
    }
  }

  async report(): Promise<void> {
    const { client, epoch, signal } = this.#options
    const nowMs = performance.now()
    const made = [...this.#byName.values()].flatMap((deliverer) => {
      const report = deliverer.report(nowMs)
      return report ? [{ deliverer, report }] : []
    })
    for (let i = 0; i < made.length; i += reportsInCall) {
      const some = made.slice(i, i + reportsInCall)
      const reports: DeliveryReport[] = some.map(({ report }) => report)
      const sent = client.v1.controllers.webhooks.reports.$post(
        { json: { epoch, reports } },
        { init: { signal } },
      )
      try {
        const { kept } = await answerOf(sent)
        for (const { deliverer, report } of some)
          if (kept.includes(report.webhook)) deliverer.reported(report, nowMs)
      } catch (error) {
        for (const { deliverer } of made.slice(i)) deliverer.unreported()
        throw error
      }
    }
  }

  async dismiss(): Promise<void> {
    for (const deliverer of this.#byName.values()) deliverer.stop()
    await Promise.all(this.#running)
  }

  #start(outlet: Outlet): Deliverer {
    const { events, guard, log } = this.#options
    const deliverer = new Deliverer(outlet, {
      ...{ events, log, sender: new Sender({ guard }) },
      letterOf: (id) => this.#letterOf(outlet.name, id),
    })
    this.#byName.set(outlet.name, deliverer)
    const running = deliverer.run().catch((error) => {
      log.error({ webhook: outlet.name, error: messageOf(error) }, 'a deliverer failed and is started again')
      if (this.#byName.get(outlet.name) === deliverer) this.#byName.delete(outlet.name)
    })
    this.#running.add(running)
    void running.finally(() => this.#running.delete(running))
    return deliverer
  }

  async #letterOf(webhook: string, letter: string): Promise<DeadLetter | undefined> {
    const { client, signal } = this.#options
    const route = client.v1.webhooks[':webhook']['dead-letters'][':letter']
    try {
      return await answerOf(route.$get({ param: { webhook, letter } }, { init: { signal } }))
    } catch (error) {
      if (error instanceof ArmadaError && error.code === 'not_found') return undefined
      throw error
    }
  }
}

/** An admin has changed it since, for instance enabled it again. */
function changed(deliverer: Deliverer, outlet: Outlet): boolean {
  return deliverer.outlet.revision !== outlet.revision
}
