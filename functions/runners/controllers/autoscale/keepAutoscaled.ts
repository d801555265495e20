// Autoscaling: decides the replicas of fleets that have a policy, when something happens to them, and twice a second.
//
// INVARIANTS
// - What is decided is passed over when somebody else has changed the replicas meanwhile, and is kept within the policy
//   as it is by then: the ApiServer sees to both.
// - The memory of windows and steps is no truth: a new leader begins without, which only delays a shrinking.
// - Why a fleet stays as it is changes with every ship: that alone is written down every few seconds at most.

import type { AddressGuard } from '../../../../shared/addressGuard.ts'
import { fleetsInCall, type ScaledFleet, type ScalingDecision } from '../../../../shared/api/autoscaling.ts'
import { answerOf } from '../../../../shared/api/client.ts'
import type { StreamEvent } from '../../../../shared/api/eventStream.ts'
import { Bell } from '../../../../shared/loop.ts'
import { ledLoop } from '../../ledLoop.ts'
import { together } from '../../together.ts'
import type { Office } from '../office.ts'
import { guardedAgent } from '../outbound/guardedAgent.ts'
import { Advisers } from './advisers.ts'
import { decide } from './decide.ts'
import type { Memory } from './pace.ts'
import { review } from './review.ts'

export interface AutoscaleParts {
  /** Opens the stream of the list of fleets, which goes on until the signal fires. */
  fleets: (signal: AbortSignal) => AsyncIterable<Pick<StreamEvent, 'event' | 'data'>>
  guard: AddressGuard
}

/** Time alone changes what schedules and probes say, and who waits. */
const everyMs = 500
const explainEveryMs = 5_000

type AutoscaleOptions = Office & AutoscaleParts & { /** Rings when fleets were scaled. */ scaled: Bell }

export async function keepAutoscaled(options: AutoscaleOptions): Promise<void> {
  const { log, signal } = options
  const keeper = new Keeper(options)
  try {
    await together(signal, [
      (signal) => keeper.listen(signal),
      (signal) =>
        ledLoop({ name: 'autoscaling', everyMs, bell: keeper.bell, signal, log }, () => keeper.turn()),
    ])
  } finally {
    await keeper.close()
  }
}

class Keeper {
  readonly bell = new Bell()
  readonly #options: AutoscaleOptions
  readonly #agent
  readonly #advisers: Advisers
  readonly #memories = new Map<string, Memory>()
  /** When the explanation of a fleet was written last. */
  readonly #explainedMs = new Map<string, number>()
  /** Fleets that something happened to since the last turn. */
  #stirred = new Set<string>()
  #allAtMs = Number.NEGATIVE_INFINITY

  constructor(options: AutoscaleOptions) {
    this.#options = options
    const { guard, signal } = options
    this.#agent = guardedAgent({ guard })
    const reviewer = { guard, dispatcher: this.#agent }
    this.#advisers = new Advisers(
      (url, fleet) => review(url, fleet, reviewer, signal),
      (fleet) => this.#stir(fleet),
    )
  }

  async listen(signal: AbortSignal): Promise<void> {
    for await (const { event, data } of this.#options.fleets(signal)) {
      if (event !== 'put') continue
      const { name, autoscale } = JSON.parse(data) as { name: string; autoscale?: unknown }
      if (autoscale) this.#stir(name)
    }
  }

  async turn(): Promise<void> {
    const nowMs = performance.now()
    const stirred = [...this.#stirred]
    this.#stirred = new Set()
    const all = nowMs - this.#allAtMs >= everyMs || stirred.length > fleetsInCall
    const fleets = await this.#read(all ? undefined : stirred)
    if (all) {
      this.#allAtMs = nowMs
      this.#forget(new Set(fleets.map(({ name }) => name)))
    }
    const decisions = fleets.flatMap((fleet) => this.#decide(fleet) ?? [])
    for (let i = 0; i < decisions.length; i += fleetsInCall)
      await this.#send(decisions.slice(i, i + fleetsInCall))
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  #stir(fleet: string): void {
    this.#stirred.add(fleet)
    this.bell.ring()
  }

  async #read(names: readonly string[] | undefined): Promise<ScaledFleet[]> {
    if (names?.length === 0) return []
    const { client, signal } = this.#options
    const query = names ? { fleets: names.join(',') } : {}
    const { fleets } = await answerOf(client.v1.controllers.autoscaling.$get({ query }, { init: { signal } }))
    // JSON has no undefined, which the type of an answer cannot tell.
    return fleets as ScaledFleet[]
  }

  #forget(names: ReadonlySet<string>): void {
    this.#advisers.keep(names)
    for (const known of [this.#memories, this.#explainedMs])
      for (const name of known.keys()) if (!names.has(name)) known.delete(name)
  }

  /** @returns undefined when there is nothing to write. */
  #decide(fleet: ScaledFleet): ScalingDecision | undefined {
    const { name, replicas: from, autoscaling } = fleet
    const nowMs = performance.now()
    const advice = this.#advisers.adviceFor(fleet, nowMs)
    const decision = decide({ fleet, advice, clockMs: Date.now() }, this.#memories.get(name), nowMs)
    const { replicas, wanted, why, memory } = decision
    this.#memories.set(name, memory)
    const explained = autoscaling?.wanted === wanted && autoscaling.why === why
    const early = nowMs - (this.#explainedMs.get(name) ?? Number.NEGATIVE_INFINITY) < explainEveryMs
    if (replicas === from && (explained || early)) return undefined
    this.#explainedMs.set(name, nowMs)
    return { fleet: name, from, replicas, wanted, why }
  }

  async #send(decisions: readonly ScalingDecision[]): Promise<void> {
    const { client, epoch, log, scaled, signal } = this.#options
    const json = { epoch, decisions: [...decisions] }
    const { done } = await answerOf(
      client.v1.controllers.autoscaling.decisions.$post({ json }, { init: { signal } }),
    )
    const moved = decisions.filter(({ fleet, from, replicas }) => from !== replicas && done.includes(fleet))
    if (moved.length > 0) scaled.ring()
    for (const { fleet, from, replicas, why } of moved)
      log.info({ fleet, from, replicas, why }, 'a fleet was scaled')
  }
}
