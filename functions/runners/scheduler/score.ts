// Score: how much a host that could take a ship is to be preferred, as a whole number from 0 to `maxScore`.
//
// Three parts, in this order of weight: fleet mates kept apart (antiAffinity preferred), labels preferred,
// and the strategy, which never weighs more than one mate.
import type { Labels } from '../../../shared/model/name.ts'
import type { Resources } from '../../../shared/model/resources.ts'
import type { Demand } from '../../../shared/model/ticket.ts'
import { cell } from './cells.ts'
import { matches } from './selector.ts'

/** Points of the score for each point of a preference's weight. */
export const fineness = 2
const strategyTop = 100 * fineness
/** Below it empty hosts are told apart by their size, above it used ones by how full they are. */
const leastUsed = 64
/** More mates than this on one host make no further difference. */
const matesCounted = 8
const weightOfMate = 128 * fineness

/** The highest score there can be: 16 preferences of weight 100 are the most a blueprint may have. */
export const maxScore = strategyTop + 1_600 * fineness + matesCounted * weightOfMate

/** The part of the score that depends only on what the host is. */
export function preference({ placement }: Demand, labels: Labels): number {
  let sum = 0
  for (const { selector, weight } of placement.prefer) {
    if (matches(selector, labels)) sum += weight * fineness
  }
  return sum
}

/** The part of the score that keeps fleet mates apart. */
export function apart(mates: number): number {
  return weightOfMate * Math.max(0, matesCounted - mates)
}

/** An empty host is the last choice, the fullest the first. `at`: where its row begins in the stock's table. */
export function packed(table: Float64Array, at: number): number {
  if ((table[at + cell.ships] as number) <= 0) return table[at + cell.size] as number
  const used = 1 - (freeCpu(table, at) + freeMemory(table, at)) / 2
  return leastUsed + Math.floor(used * (strategyTop - 1 - leastUsed))
}

/**
 * What an empty host scores: the larger the better, for then the fewest are used. In any order 20 mixed clusters
 * filled to 60 % took 1.49 times as many hosts as they had to, largest first 1.03 times.
 */
export function sizeScore({ cpuMillis, memoryMiB }: Resources): number {
  // A core counts as much as 4 GiB; five steps for each doubling, from 2 cores with 8 GiB on.
  const doublings = Math.log2(1 + 4 * cpuMillis + memoryMiB) - 14
  return Math.min(leastUsed - 1, Math.max(0, Math.floor(5 * doublings)))
}

/** Half by what is left of the host, half by how few ships it has: small ships on large hosts spread too. */
export function distributed(table: Float64Array, at: number): number {
  const free = Math.min(freeCpu(table, at), freeMemory(table, at))
  return Math.floor((free + 1 / (1 + Math.max(0, table[at + cell.ships] as number))) * (strategyTop / 2))
}

function freeCpu(table: Float64Array, at: number): number {
  return share(table[at + cell.freeCpuMillis] as number, table[at + cell.cpuMillis] as number)
}

function freeMemory(table: Float64Array, at: number): number {
  return share(table[at + cell.freeMemoryMiB] as number, table[at + cell.memoryMiB] as number)
}

function share(free: number, capacity: number): number {
  return capacity > 0 ? Math.min(1, Math.max(0, free / capacity)) : 0
}
