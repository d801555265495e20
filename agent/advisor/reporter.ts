// Reports to the MonitorService: changes at once and together, measurements every few seconds.
//
// INVARIANTS
// - One report is under way at a time; what changes meanwhile, and in the moment after one that told of changes, goes with
//   the next.
// - A change is sent again until it was acknowledged. Measurements are not: the next ones are better.
// - A report stays far below the ApiServer's limit on bodies. Refused, its changes go ahead by themselves: what is told
//   beside them may be what is refused. Refused again they become fewer, down to one: that one is dropped when it can
//   never be taken, else it is kept and lets the others go first.
// - What became of pulls is sent again until it was recorded.
// - Holdings are sent when they, or whether the host is well, changed, and until they were taken; with them the
//   ships that have left, whose room is free. Before the first hello they are not known: an agent that has just begun
//   would call its host empty, and give away the room and the ports of all who are there.
import { answerOf, type Client } from '../../shared/api/client.ts'
import type { ShipReport } from '../../shared/api/monitor.ts'
import { ArmadaError, type ProblemCode } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { Bell, loop, sleep } from '../../shared/loop.ts'
import type { Holding } from '../../shared/model/holding.ts'
import type { HostSample } from '../../shared/model/host.ts'
import { hostPortsOf } from '../../shared/model/port.ts'
import type { ShipSample } from '../../shared/model/ship.ts'
import { traceHeaders } from '../../shared/trace.ts'
import type { Contact } from '../contact.ts'
import type { Outbox } from '../outbox.ts'
import type { PullBook } from '../pullBook.ts'
import type { ResizeBook } from '../resizeBook.ts'
import type { Aboard, Roster, ShipAttempt } from '../roster.ts'

const sampleEveryMs = 5_000
/** Where ships start one after another, a report for each took a tenth of what their starts did, here and at the stores. */
const restMs = 100
/** How often it is looked whether there is something to send that nobody rang for. */
const lookEveryMs = 1_000
const mostChanges = 1_000
/** Of more the scheduler learns by asking. */
const mostLeft = 5_000
/** A quarter of what the ApiServer takes: holdings and measurements go along. */
const mostBytes = 500_000

/** Answers that may be due to what was sent, and how many of them in a row it takes to believe so. */
const refusals: Partial<Record<ProblemCode, number>> = {
  ...{ invalid_request: 1, body_too_large: 1 },
  ...{ internal: 3, unavailable: 3 },
}

export interface ReporterOptions {
  api: Client
  roster: Roster
  outbox: Outbox
  pulls: PullBook
  resizes: ResizeBook
  contact: Contact
  sampleHost: () => HostSample
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
  /** What the ApiServer was told before is not known to this process. */
  #anew = true
  #knowsAll = false
  /** Ships that have left since the last report that was taken. */
  #left: ShipAttempt[] = []
  /** Halved by refusals and doubled by each report that is taken. */
  #most = mostChanges
  /** Changes go ahead of all else, since a report of both was refused. */
  #apart = false
  #refusals = 0

  constructor(options: ReporterOptions) {
    this.#options = options
    const { outbox, roster, pulls, resizes } = options
    outbox.onPut(this.#bell.ring)
    pulls.onEnd(this.#bell.ring)
    resizes.onPut(this.#bell.ring)
    roster.onChange((now, before) => {
      if (!now && before) this.#left.push({ ship: before.grant.ship, attempt: before.grant.attempt })
      if (this.#left.length > mostLeft) this.#left.shift()
      if (!now || !before) this.#bell.ring()
    })
  }

  /** All ships of this host are known. Holdings are sent anew: the ApiServer may have forgotten them. */
  sendAll = (): void => {
    this.#knowsAll = true
    this.#told = ''
    this.#anew = true
    this.#bell.ring()
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#options
    await loop({ name: 'reports', everyMs: lookEveryMs, signal, log, bell: this.#bell }, async () => {
      if (await this.send()) await sleep(restMs, signal)
    })
  }

  /**
   * One report, if there is anything to say. @returns whether there was anything but measurements.
   * @throws ArmadaError when it was not taken.
   */
  async send(): Promise<boolean> {
    const changes = this.#options.outbox.peek(this.#most, mostBytes)
    if (!this.#apart) return this.#report(changes)
    if (changes.length > 0) await this.#report(changes, true)
    const told = await this.#report([])
    this.#apart = false
    return told || changes.length > 0
  }

  /** @param alone nothing but these changes. */
  async #report(changes: readonly ShipReport[], alone = false): Promise<boolean> {
    const { api, roster, outbox, pulls, resizes, contact, degraded, onStale } = this.#options
    const state = `${roster.version} ${degraded() ?? ''}`
    // A ship that found no room here: what the scheduler believes of this host is wrong.
    const noRoom = changes.some((change) => change.state === 'Returned' && change.fault)
    const news = !alone && this.#knowsAll && (state !== this.#told || noRoom)
    // With ZooKeeper away these reports are all that says that this host is alive.
    const due = !alone && (!contact.connected || performance.now() - this.#sampledAtMs >= sampleEveryMs)
    const ends = alone ? [] : pulls.untold()
    const resized = alone ? [] : resizes.untold()
    const isEvent = changes.length + ends.length + resized.length > 0 || news
    if (!isEvent && !due) return false
    const sample = due || news ? this.#options.sampleHost() : null
    const left = news ? this.#left : []
    const anew = this.#anew
    if (news) {
      this.#left = []
      this.#anew = false
    }
    const json = {
      changes: [...changes],
      left,
      anew,
      holdings: news ? roster.list().map(holdingOf) : null,
      host: sample,
      ships: due ? this.#options.sampleShips() : [],
      pulls: ends,
      resized,
      sentAtEpochMs: Date.now(),
    }
    const sentAtMs = performance.now()
    const answer = await answerOf(
      api.v1.monitor.reports.$post({ json }, { headers: traceHeaders(changes) }),
    ).catch((error) => {
      this.#sayAgain(left, anew)
      return this.#refused(error, changes, alone)
    })
    const { stale, resendHoldings } = answer
    if (resendHoldings) this.#sayAgain(left, true)
    if (due) this.#sampledAtMs = sentAtMs
    if (news) this.#told = state
    if (resendHoldings) this.#told = ''
    this.#most = Math.min(mostChanges, this.#most * 2)
    this.#refusals = 0
    contact.heard(sentAtMs)
    outbox.acknowledge(changes)
    resizes.told(resized)
    if (!answer.resendPulls) pulls.told(ends)
    // An older ApiServer gives no orders.
    pulls.order(answer.pulls ?? [])
    if (stale.length > 0) onStale(stale)
    if (outbox.size > 0) this.#bell.ring()
    return isEvent
  }

  #sayAgain(left: readonly ShipAttempt[], anew: boolean): void {
    this.#left = [...left, ...this.#left].slice(-mostLeft)
    this.#anew ||= anew
  }

  #refused(error: unknown, changes: readonly ShipReport[], alone: boolean): never {
    const patience = error instanceof ArmadaError ? refusals[error.code] : undefined
    if (patience === undefined) this.#refusals = 0
    else if (++this.#refusals >= patience) {
      if (alone) this.#shrink(changes, patience === 1)
      this.#apart = true
    }
    throw error
  }

  #shrink(changes: readonly ShipReport[], forGood: boolean): void {
    const { outbox, log } = this.#options
    this.#most = Math.max(1, Math.floor(changes.length / 2))
    const [change] = changes
    if (!change || changes.length > 1) return
    if (forGood) {
      log.error({ change }, 'the ApiServer never takes this change; dropped')
      outbox.acknowledge(changes)
    } else outbox.postpone(change)
  }
}

function holdingOf({ grant }: Aboard): Holding {
  const { ship, attempt, fleet, spec, ports } = grant
  return { ship, attempt, fleet, resources: spec.resources, hostPorts: hostPortsOf({ ports }) }
}
