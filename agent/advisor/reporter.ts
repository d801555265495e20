// Reports to the MonitorService: changes at once and together, measurements every few seconds.
//
// INVARIANTS
// - One report is under way at a time; what changes meanwhile goes with the next.
// - A change is sent again until it was acknowledged. Measurements are not: the next ones are better.
// - Holdings are sent when they, or whether the host is well, changed, and until they were taken.
import { answerOf, type Client } from '../../shared/api/client.ts'
import type { ShipReport } from '../../shared/api/monitor.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { Bell, loop } from '../../shared/loop.ts'
import type { Holding } from '../../shared/model/holding.ts'
import type { HostSample } from '../../shared/model/host.ts'
import type { ShipSample } from '../../shared/model/ship.ts'
import type { Contact } from '../contact.ts'
import type { Outbox } from '../outbox.ts'
import type { Aboard, Roster, ShipAttempt } from '../roster.ts'

const sampleEveryMs = 5_000
/** How often it is looked whether there is something to send that nobody rang for. */
const lookEveryMs = 1_000
const mostChanges = 1_000

export interface ReporterOptions {
  api: Client
  roster: Roster
  outbox: Outbox
  contact: Contact
  sampleHost: () => Promise<HostSample>
  sampleShips: () => ShipSample[]
  degraded: () => string | null
  onStale: (ships: readonly ShipAttempt[]) => void
  log: Log
}

export class Reporter {
  readonly #options: ReporterOptions
  readonly #bell = new Bell()
  #sampledAtMs = Number.NEGATIVE_INFINITY
  /** Roster version and degradation that the ApiServer knows of. */
  #told = ''
  /** After a change that the ApiServer calls invalid they go one by one, to find it. */
  #most = mostChanges

  constructor(options: ReporterOptions) {
    this.#options = options
    const { outbox, roster } = options
    outbox.onPut(this.#bell.ring)
    roster.onChange((now, before) => {
      if (!now || !before) this.#bell.ring()
    })
  }

  /** Holdings are sent anew: the ApiServer may have forgotten them. */
  sendAll = (): void => {
    this.#told = ''
    this.#bell.ring()
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#options
    await loop({ name: 'reports', everyMs: lookEveryMs, signal, log, bell: this.#bell }, () => this.send())
  }

  /** One report, if there is anything to say. @throws ArmadaError when it was not taken. */
  async send(): Promise<void> {
    const { api, roster, outbox, contact, degraded, onStale } = this.#options
    const changes = outbox.peek(this.#most)
    const state = `${roster.version} ${degraded() ?? ''}`
    const news = state !== this.#told
    // With ZooKeeper away these reports are all that says that this host is alive.
    const due = !contact.connected || performance.now() - this.#sampledAtMs >= sampleEveryMs
    if (changes.length === 0 && !news && !due) return
    const json = {
      changes,
      holdings: news ? roster.list().map(holdingOf) : null,
      host: due || news ? await this.#options.sampleHost() : null,
      ships: due ? this.#options.sampleShips() : [],
    }
    const sentAtMs = performance.now()
    const { stale, resendHoldings } = await answerOf(api.v1.monitor.reports.$post({ json })).catch((error) =>
      this.#refused(error, changes),
    )
    if (due) this.#sampledAtMs = sentAtMs
    if (news) this.#told = state
    if (resendHoldings) this.#told = ''
    this.#most = mostChanges
    contact.heard(sentAtMs)
    outbox.acknowledge(changes)
    if (stale.length > 0) onStale(stale)
    if (outbox.size > 0) this.#bell.ring()
  }

  #refused(error: unknown, changes: readonly ShipReport[]): never {
    if (error instanceof ArmadaError && error.code === 'invalid_request' && changes.length > 0) {
      if (changes.length === 1) {
        this.#options.log.error({ change: changes[0] }, 'the ApiServer calls this change invalid; dropped')
        this.#options.outbox.acknowledge(changes)
      }
      this.#most = 1
    }
    throw error
  }
}

function holdingOf({ grant }: Aboard): Holding {
  const { ship, attempt, fleet, spec, ports } = grant
  const hostPorts = ports.flatMap(({ hostPort }) => hostPort ?? [])
  return { ship, attempt, fleet, resources: spec.resources, hostPorts }
}
