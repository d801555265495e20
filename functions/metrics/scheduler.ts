// What the leading scheduler says of itself with its reports, each to the ApiServer that takes it.
//
// INVARIANT: labels have few values: the rules of refusals, resources, the parts of a takeover.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { PlacementReport } from '../../shared/api/placements.ts'
import type { Explanation } from '../../shared/model/explanation.ts'

type Told = Pick<PlacementReport, 'placed' | 'refused' | 'figures'>

export class SchedulerMeters {
  readonly #turns: Histogram
  readonly #waits: Histogram
  readonly #refusals: Counter<'rule'>
  readonly #stranded: Gauge<'resource'>
  readonly #takeover: Gauge<'part'>

  constructor(registry: Registry) {
    const registers = [registry]
    this.#turns = new Histogram({
      name: 'armada_scheduler_decision_seconds',
      help: 'Time that a turn of the scheduler took to decide on all tickets at hand',
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
      registers,
    })
    this.#waits = new Histogram({
      name: 'armada_scheduler_queue_wait_seconds',
      help: 'Time that the scheduler held the tickets of ships that it placed, from when they were due',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 60, 300, 1_800],
      registers,
    })
    this.#refusals = new Counter({
      name: 'armada_scheduler_refusals_total',
      help: 'Ships that were told a new reason, by the rule that told out the most hosts; none: there was no host',
      labelNames: ['rule'],
      registers,
    })
    this.#stranded = new Gauge({
      name: 'armada_scheduler_stranded_share',
      help: 'Share of the resource that is free on hosts where less is left of the other; up to 10 s old',
      labelNames: ['resource'],
      registers,
    })
    this.#takeover = new Gauge({
      name: 'armada_scheduler_takeover_seconds',
      help: 'Time that the newest leader took to read the hosts, to decide on its first ships, and to write their jobs',
      labelNames: ['part'],
      registers,
    })
  }

  told({ placed, refused, figures }: Told): void {
    for (const { waitedMs } of placed) if (waitedMs !== undefined) this.#waits.observe(waitedMs / 1_000)
    for (const { why } of refused) this.#refusals.inc({ rule: mostOf(why) })
    for (const ms of figures?.turnsMs ?? []) this.#turns.observe(ms / 1_000)
    for (const [resource, share] of Object.entries(figures?.stranded ?? {}))
      this.#stranded.set({ resource }, share)
    for (const [part, ms] of Object.entries(figures?.takeover ?? {}))
      this.#takeover.set({ part: part.replace(/Ms$/, '') }, ms / 1_000)
  }
}

function mostOf(why: Explanation | undefined): string {
  const [most] = Object.entries(why?.ruledOut ?? {}).sort(([, a], [, b]) => b - a)
  return most?.[0] ?? 'none'
}
