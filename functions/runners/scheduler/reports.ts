// Reports: tells the ApiServer what was decided, and which tickets wait, until it has heard it.
//
// INVARIANTS
// - One report at a time; what is decided meanwhile goes into the next one. Nothing is dropped but what a
//   newer decision on the same ship replaces, and what the ApiServer says is wrong.
// - While tickets wait, all of them are named at least every `heldEveryMs`; with none, silence. So are the ships
//   that gangs still wait for.
// - Whoever was assumed on a host for `trustedMs` is asked about, and again each `trustedMs`: what was freed and
//   told to nobody comes back this way.
// - A newer leader's epoch ends this leadership.

import { answerOf, type Client } from '../../../shared/api/client.ts'
import type { PlacementReport } from '../../../shared/api/placements.ts'
import { ArmadaError, messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { Bell } from '../../../shared/loop.ts'
import type { Ticket } from '../../../shared/model/ticket.ts'
import { traced, traceHeaders, tracesField } from '../../../shared/trace.ts'
import { ledLoop } from '../ledLoop.ts'
import type { Board } from './board.ts'
import type { Figures } from './figures.ts'
import type { Group, Pile } from './pile.ts'
import type { Placed } from './place.ts'
import { missingShips } from './rollCall.ts'

const heldEveryMs = 10_000
/** By then the agent has claimed the ship, or it never will. */
const trustedMs = 60_000
const entriesInReport = 2_000
const namesInReport = 10_000
/** In a line of the log. */
const shipsNamed = 5

type PlacedRow = PlacementReport['placed'][number]
type RefusedRow = PlacementReport['refused'][number]
type Assumed = { ship: string; attempt: number; host: string }

interface Report {
  placed: PlacedRow[]
  refused: RefusedRow[]
  waiting: string[]
  assumed: Assumed[]
  missing: string[]
}

export interface ReportsOptions {
  client: Client
  epoch: number
  log: Log
  pile: Pile
  board: Board
  figures: Figures
  /** The ship has moved on from this attempt, and what was decided for it is void. */
  onStale: (ship: string, attempt: number) => void
  /** The ship does not wait for a host. */
  onNeedless: (ship: string, attempt: number) => void
  /** Gangs still miss ships: none of them need wait for these. */
  onMissing: (excused: ReadonlySet<string>) => void
}

export class Reports {
  readonly #options: ReportsOptions
  readonly #placed = new Map<string, PlacedRow>()
  readonly #refused = new Map<string, RefusedRow>()
  readonly #bell = new Bell()
  #heldAtMs = performance.now()
  #doubtedAtMs = performance.now()

  constructor(options: ReportsOptions) {
    this.#options = options
  }

  placed(placements: readonly Placed[]): void {
    if (placements.length === 0) return
    const nowMs = performance.now()
    for (const { entry, host, ports, why } of placements) {
      const { ship, attempt } = entry.ticket
      const waitedMs = Math.max(0, nowMs - entry.dueMs)
      this.#refused.delete(ship)
      this.#placed.set(ship, { ship, attempt, host, ports, why, waitedMs, ...traced(entry.ticket) })
    }
    const tickets = placements.map(({ entry }) => entry.ticket)
    const named = placements.slice(0, shipsNamed).map(({ entry, host }) => `${entry.ticket.ship} on ${host}`)
    this.#options.log.info({ ...tracesField(tickets), placed: tickets.length, ships: named }, 'ships placed')
    this.#bell.ring()
  }

  refused(tickets: readonly Ticket[], { reason = '', why }: Pick<Group, 'reason' | 'why'>): void {
    if (tickets.length === 0) return
    for (const ticket of tickets) {
      const { ship, attempt } = ticket
      this.#refused.set(ship, { ship, attempt, reason, why, ...traced(ticket) })
    }
    const ships = tickets.slice(0, shipsNamed).map(({ ship }) => ship)
    const fields = { ...tracesField(tickets), refused: tickets.length, ships, reason }
    this.#options.log.info(fields, 'no host for ships yet')
    this.#bell.ring()
  }

  /** Some of what is assumed may be out of date: it is asked about at once. */
  doubt = (): void => {
    this.#doubtedAtMs = Number.NEGATIVE_INFINITY
    this.#bell.ring()
  }

  /** Reports until the signal fires. @throws ArmadaError stale_epoch when a newer leader has taken over. */
  async run(signal: AbortSignal): Promise<void> {
    const options = {
      name: 'reports',
      everyMs: heldEveryMs,
      signal,
      log: this.#options.log,
      bell: this.#bell,
    }
    await ledLoop(options, () => this.#turn(signal))
  }

  async #turn(signal: AbortSignal): Promise<void> {
    while (this.#placed.size > 0 || this.#refused.size > 0) {
      await this.#send({ placed: first(this.#placed), refused: first(this.#refused) }, signal)
    }
    await this.#askAboutAssumed(signal)
    if (performance.now() - this.#heldAtMs < heldEveryMs - 100) return
    const held = [...this.#options.pile.ships]
    const missing = missingShips(this.#options.pile)
    // Together: a report that names none as waiting says that none waits.
    for (let i = 0; i < Math.max(held.length, missing.length); i += namesInReport) {
      const some = { waiting: held.slice(i, i + namesInReport), missing: missing.slice(i, i + namesInReport) }
      await this.#send(some, signal)
    }
    this.#heldAtMs = performance.now()
  }

  async #askAboutAssumed(signal: AbortSignal): Promise<void> {
    const nowMs = performance.now()
    if (nowMs - this.#doubtedAtMs < heldEveryMs - 100) return
    this.#doubtedAtMs = nowMs
    const old = this.#options.board.assumedBefore(nowMs - trustedMs)
    try {
      for (let i = 0; i < old.length; i += entriesInReport) {
        await this.#send({ assumed: old.slice(i, i + entriesInReport) }, signal)
      }
    } catch (error) {
      this.#doubtedAtMs = Number.NEGATIVE_INFINITY
      throw error
    }
  }

  async #send(
    { placed = [], refused = [], waiting = [], assumed = [], missing = [] }: Partial<Report>,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, epoch, pile, board, onStale, onNeedless, onMissing, log } = this.#options
    const decided = new Map([...refused, ...placed].map(({ ship, attempt }) => [ship, attempt]))
    const held = new Map(waiting.map((ship) => [ship, pile.get(ship)?.ticket.attempt ?? 0]))
    try {
      const figures = this.#options.figures.take(performance.now())
      // ApiServers of before know none that is missing, and there is none where no gang is.
      const asked = missing.length > 0 ? { missing } : {}
      const json = { epoch, placed, refused, waiting, assumed, ...asked, figures }
      const { stale, gone, excused } = await answerOf(
        client.v1.placements.$post(
          { json },
          { init: { signal }, headers: traceHeaders([...placed, ...refused]) },
        ),
      )
      for (const ship of stale) {
        const attempt = decided.get(ship)
        if (attempt === undefined) onNeedless(ship, held.get(ship) ?? 0)
        else onStale(ship, attempt)
      }
      const over = new Set(gone)
      for (const { ship, attempt } of assumed) {
        if (over.has(ship)) onStale(ship, attempt)
        else board.confirm(ship, attempt, performance.now())
      }
      if (missing.length > 0) onMissing(new Set(excused))
    } catch (error) {
      const lasting = error instanceof ArmadaError && error.code === 'invalid_request'
      if (!lasting) throw error
      const fields = { placed: placed.length, refused: refused.length, error: messageOf(error) }
      log.error(
        fields,
        'the ApiServer finds a report wrong; it is dropped, and its ships are found by others',
      )
    }
    for (const row of placed) if (this.#placed.get(row.ship) === row) this.#placed.delete(row.ship)
    for (const row of refused) if (this.#refused.get(row.ship) === row) this.#refused.delete(row.ship)
  }
}

function first<T>(rows: ReadonlyMap<string, T>): T[] {
  const some: T[] = []
  for (const row of rows.values()) {
    if (some.push(row) === entriesInReport) break
  }
  return some
}
