// Arrivals made by a seed: for the example log and for tests.
import { randomOf } from '../scheduler/random.ts'
import type { Arrival } from './fleetWorld.ts'

export interface NoiseOptions {
  seed: number
  lengthMs: number
  /** Arrivals a second at a moment from 0 to 1 of the whole. */
  rate: (moment: number) => number
  /** Of a session, on average; sessions are spread around it by half. */
  durationMs: number
  /** Share of arrivals that bring a group of friends along at the same moment. */
  groups: number
}

/** Random arrivals, the times between them exponential. */
export function arrivalsOf({ seed, lengthMs, rate, durationMs, groups }: NoiseOptions): Arrival[] {
  const next = randomOf(seed)
  const arrivals: Arrival[] = []
  for (let atMs = 0; ; ) {
    atMs += (-Math.log(1 - next()) * 1_000) / Math.max(0.001, rate(atMs / lengthMs))
    if (atMs >= lengthMs) return arrivals
    const count = next() < groups ? 2 + Math.floor(next() * 5) : 1
    for (let i = 0; i < count; i++) {
      arrivals.push({ atMs: Math.round(atMs), durationMs: Math.round(durationMs * (0.5 + next())) })
    }
  }
}

/** An hour of short matches whose number goes up and down by chance, without any trend. */
export function noisyHour(seed: number): Arrival[] {
  return arrivalsOf({ seed, lengthMs: 3_600_000, rate: () => 0.4, durationMs: 60_000, groups: 0.05 })
}

/** A day of two fleets: matches with a peak in the evening, and long visits all day. */
export function exampleDay(seed: number): Map<string, Arrival[]> {
  const day = { seed, lengthMs: 86_400_000 }
  const evening = (moment: number) => Math.exp(-(((moment - 0.82) / 0.09) ** 2))
  return new Map([
    [
      'duel',
      arrivalsOf({ ...day, rate: (at) => 0.02 + 0.2 * evening(at), durationMs: 480_000, groups: 0.05 }),
    ],
    ['lobby', arrivalsOf({ ...day, seed: seed + 1, rate: () => 0.01, durationMs: 1_800_000, groups: 0.02 })],
  ])
}
