// What the webhooks of policies said last. They are asked beside the loop, which never waits for one.
//
// INVARIANTS
// - One question of a fleet to a URL at a time; while something happens to the fleet once a second at most, else every
//   `calmMs`. No more than `mostAsked` questions at a time over all.
// - An answer counts until the next one, and no longer than `validMs`.
import type { ScaledFleet } from '../../../../shared/api/autoscaling.ts'
import { askedBy } from '../../../../shared/model/autoscale.ts'
import type { Advice } from './policies.ts'

const busyMs = 1_000
const calmMs = 10_000
const validMs = 60_000
const mostAsked = 32

interface Adviser {
  asking: boolean
  askedAtMs: number
  /** What the last question told of the fleet. */
  told: string
  said: { advice: Advice; atMs: number } | undefined
}

export type Ask = (url: string, fleet: ScaledFleet) => Promise<Advice>

export class Advisers {
  readonly #ask: Ask
  readonly #onAnswer: (fleet: string) => void
  readonly #byFleet = new Map<string, Map<string, Adviser>>()
  #asking = 0

  /** @param onAnswer hears of every answer that differs from the one before. */
  constructor(ask: Ask, onAnswer: (fleet: string) => void) {
    this.#ask = ask
    this.#onAnswer = onAnswer
  }

  /** What is known for the fleet now; asks for more where it is time. */
  adviceFor(fleet: ScaledFleet, nowMs: number): Map<string, Advice> {
    const urls = askedBy(fleet.autoscale)
    const before = this.#byFleet.get(fleet.name)
    if (urls.length === 0) {
      this.#byFleet.delete(fleet.name)
      return new Map()
    }
    const advisers = new Map(urls.map((url) => [url, before?.get(url) ?? newAdviser()]))
    this.#byFleet.set(fleet.name, advisers)
    const advice = new Map<string, Advice>()
    for (const [url, adviser] of advisers) {
      this.#consult(url, adviser, fleet, nowMs)
      const { said } = adviser
      if (said && nowMs - said.atMs < validMs) advice.set(url, said.advice)
    }
    return advice
  }

  /** Forgets the fleets that are no more. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.#byFleet.keys()) if (!names.has(name)) this.#byFleet.delete(name)
  }

  #consult(url: string, adviser: Adviser, fleet: ScaledFleet, nowMs: number): void {
    if (adviser.asking || this.#asking >= mostAsked) return
    const told = JSON.stringify([fleet.replicas, fleet.ships, fleet.totals, fleet.labels])
    if (nowMs - adviser.askedAtMs < (told === adviser.told ? calmMs : busyMs)) return
    Object.assign(adviser, { asking: true, askedAtMs: nowMs, told })
    this.#asking++
    // Asking never fails: see review.ts.
    void this.#ask(url, fleet).then((advice) => {
      this.#asking--
      adviser.asking = false
      const news = JSON.stringify(advice) !== JSON.stringify(adviser.said?.advice)
      adviser.said = { advice, atMs: performance.now() }
      if (news) this.#onAnswer(fleet.name)
    })
  }
}

function newAdviser(): Adviser {
  return { asking: false, askedAtMs: Number.NEGATIVE_INFINITY, told: '', said: undefined }
}
