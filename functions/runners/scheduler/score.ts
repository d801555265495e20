// Score: how much a host that could take a ship is to be preferred, as a whole number.
//
// Three parts, in this order of weight: fleet mates kept apart (antiAffinity preferred), labels preferred,
// and the strategy, which never weighs more than one mate.
import type { Labels } from '../../../shared/model/name.ts'
import type { Resources } from '../../../shared/model/resources.ts'
import type { Demand } from '../../../shared/model/ticket.ts'
import { cell } from './cells.ts'
import { matches } from './selector.ts'

/** Points of the score for each point of a preference's weight. */
export const fineness = 4
const strategyTop = 100 * fineness
/** Below it empty hosts are told apart by their size, above it used ones by how well the ship suits them. */
const leastUsed = 64
/** A used host scores 120 points at most by how the ship suits it, 189 (tight: 63) by its size, 9 by how full it is. */
const pointsOfDoubling = 30
const doublingsCounted = 2
const pointsOfSize = 3
const pointsOfSizeWhenTight = 1
const pointsOfFull = 9
/** Millicores times this weigh as much as MiB: a core as much as 4 GiB. */
const weightOfCpu = 4
/** More mates than this on one host make no further difference. */
const matesCounted = 8
const weightOfMate = 128 * fineness

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

/** How much of a ship, all in all, is CPU, and how much is memory; a core counts as much as 4 GiB. */
export interface Appetite {
  cpu: number
  memory: number
}

export function appetiteOf(resources: Resources): Appetite {
  const all = Math.max(1, amountOf(resources))
  return { cpu: resources.cpuMillis / all, memory: resources.memoryMiB / all }
}

/**
 * A host in use, or ajar (`openings.ts`); other empty ones are the last choice and score their size. What the ship
 * takes of the resource that is scarcer there decides: the less, the longer does the host fill evenly. Then the
 * larger host wins, which counts less once the cluster is tight, and of equal ones the fuller. `at`: where its row
 * begins in the stock's table.
 */
export function packed(table: Float64Array, at: number, appetite: Appetite, isTight: boolean): number {
  const size = table[at + cell.size] as number
  const cpu = Math.max(1, table[at + cell.cpuMillis] as number)
  const memory = Math.max(1, table[at + cell.memoryMiB] as number)
  const cpuLeft = freeCpu(table, at)
  const memoryLeft = freeMemory(table, at)
  // What the ship takes of the scarcer resource / what it takes of the whole host.
  const taken =
    memoryLeft > cpuLeft
      ? appetite.cpu * (weightOfCpu + memory / cpu)
      : appetite.memory * (1 + (weightOfCpu * cpu) / memory)
  const suits = doublingsCounted - Math.min(doublingsCounted, Math.max(-doublingsCounted, Math.log2(taken)))
  const full = 1 - (cpuLeft + memoryLeft) / 2
  const sizePoints = size * (isTight ? pointsOfSizeWhenTight : pointsOfSize)
  return leastUsed + sizePoints + Math.floor(pointsOfDoubling * suits + pointsOfFull * full)
}

/** What an empty host scores: the larger the better, for then the fewest are used. */
export function sizeScore(capacity: Resources): number {
  // Five steps for each doubling, from 2 cores with 8 GiB on.
  const doublings = Math.log2(1 + amountOf(capacity)) - 14
  return Math.min(leastUsed - 1, Math.max(0, Math.floor(5 * doublings)))
}

/** CPU and memory as one number. */
export function amountOf({ cpuMillis, memoryMiB }: Resources): number {
  return weightOfCpu * cpuMillis + memoryMiB
}

/** Half by what is left of the host, half by how few ships it has: small ships on large hosts spread too. */
export function distributed(table: Float64Array, at: number): number {
  return Math.floor(
    (freeShare(table, at) + 1 / (1 + Math.max(0, table[at + cell.ships] as number))) * (strategyTop / 2),
  )
}

/** The smaller of the shares of CPU and memory that are free. */
function freeShare(table: Float64Array, at: number): number {
  return Math.min(freeCpu(table, at), freeMemory(table, at))
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
