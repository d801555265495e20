// Ceiling: how many ships of a stream any placement can hold before it has to refuse one.
//
// A host of one shape holds whole ships, so what it holds is one of finitely many patterns: so many ships of each
// demand. Let v be any prices of the demands, and K(v) what the dearest pattern of a shape is worth. No placement,
// however it moves ships about, holds more than hosts x K(v), summed over the shapes. So the first ships of the
// stream can all have a host only as long as their prices together stay within that. The prices that say most are
// those of the linear program over all patterns (Gilmore and Gomory), found here by its dual: the patterns known so
// far give prices, a knapsack in CPU and memory finds the dearest patterns at these prices, and those become known.
// Each round gives a valid ceiling, so it does not matter how exactly the linear program is solved.
//
// The same with few hosts used early: the first so many ships stand, and stay, on a limited number of hosts. They
// fetch a second price on top, q, and so is a host worth K(v + q) that is among those; it costs g to be one.
import { solve } from 'yalps'
import type { HostDescription } from '../../../shared/model/host.ts'
import type { Resources } from '../../../shared/model/resources.ts'
import { type Count, tally } from './bound.ts'

/** Of all that the ships are worth. */
const slack = 1e-6
const mostRounds = 1_000

/** The first `ships` of the stream have no more than `hosts` for themselves, and are never moved. */
export interface Early {
  ships: number
  hosts: number
}

/** How many of the first ships of a stream may all have hosts; the stream must be more than the hosts can hold. */
export function mostShips(
  hosts: readonly HostDescription[],
  stream: readonly Resources[],
  early: Early = { ships: 0, hosts: 0 },
): number {
  const shapes = tally(hosts.map(({ capacity }) => capacity))
  const demands = tally(stream).map(({ resources }) => resources)
  const demandOf = stream.map((ship) => demands.findIndex((demand) => same(demand, ship)))
  const countsOf = (ships: number) => {
    const counts = demands.map(() => 0)
    for (const d of demandOf.slice(0, ships)) counts[d] = (counts[d] as number) + 1
    return counts
  }
  const knapsack = new Knapsack(shapes, demands)
  const soon = countsOf(early.ships)
  const patterns = new Map<string, Pattern>()
  let most = stream.length
  for (let round = 0; round < mostRounds; round++) {
    const { late, first, entry, worth } = dearest(shapes, countsOf(most), soon, early.hosts, [
      ...patterns.values(),
    ])
    const anytime = knapsack.fill(late, false)
    const atFirst = knapsack.fill(
      late.map((price, d) => price + (first[d] as number)),
      true,
    )
    let all = early.hosts * entry
    for (const [s, { count }] of shapes.entries()) {
      all += count * Math.max((anytime[s] as Pattern).worth, (atFirst[s] as Pattern).worth - entry)
    }
    const fewer = affordable(demandOf, late, all - dot(first, soon) + slack, most)
    const known = patterns.size
    for (const one of early.ships > 0 ? [...anytime, ...atFirst] : anytime) patterns.set(keyOf(one), one)
    // Prices at which they do not fit exist no more, or the solver can tell no finer.
    if (fewer === most && (worth >= 1 - slack || patterns.size === known)) return most
    most = fewer
  }
  throw new Error(`no ceiling after ${mostRounds} rounds`)
}

/** Whole ships that fit a host of one shape. */
interface Pattern {
  shape: number
  /** Known as what the dearest of the hosts used early could hold in the end. */
  early: boolean
  /** By demand. */
  ships: number[]
  worth: number
}

/** The prices at which all ships together cost 1 and the known patterns on all hosts are worth least. */
function dearest(
  shapes: readonly Count[],
  counts: readonly number[],
  soon: readonly number[],
  earlyHosts: number,
  patterns: readonly Pattern[],
) {
  // Counted in average ships of a host, or the numbers lie too far apart for a solver without scaling.
  const unit = shapes.reduce((sum, { count }) => sum + count, 0)
  const constraints: [string, { min?: number; equal?: number }][] = [['ships', { equal: 1 }]]
  const ofShape: [string, number][][] = shapes.map(({ count }) => [['worth', count / unit]])
  const ofLate: [string, number][][] = counts.map((count) => [['ships', count / unit]])
  const ofFirst: [string, number][][] = soon.map((count) => [['ships', count / unit]])
  const ofEntry: [string, number][] = [['worth', earlyHosts / unit]]
  for (const [p, { shape, early, ships }] of patterns.entries()) {
    const name = `pattern${p}`
    constraints.push([name, { min: 0 }])
    ofShape[shape]?.push([name, 1])
    if (early) ofEntry.push([name, 1])
    for (const [d, count] of ships.entries()) {
      if (count === 0) continue
      ofLate[d]?.push([name, -count])
      if (early) ofFirst[d]?.push([name, -count])
    }
  }
  const variables: [string, [string, number][]][] = [
    ...ofShape.map((column, s): [string, [string, number][]] => [`shape${s}`, column]),
    ...ofLate.map((column, d): [string, [string, number][]] => [`late${d}`, column]),
  ]
  if (earlyHosts > 0) {
    variables.push(['entry', ofEntry])
    variables.push(...ofFirst.map((column, d): [string, [string, number][]] => [`first${d}`, column]))
  }
  const solution = solve({ direction: 'minimize', objective: 'worth', constraints, variables })
  if (solution.status !== 'optimal') throw new Error(`the prices are ${solution.status}`)
  const values = new Map(solution.variables)
  const priceOf = (name: string) => Math.max(0, values.get(name) ?? 0) / unit
  return {
    late: counts.map((_, d) => priceOf(`late${d}`)),
    first: soon.map((_, d) => priceOf(`first${d}`)),
    entry: priceOf('entry'),
    worth: solution.result,
  }
}

function keyOf({ shape, early, ships }: Pattern): string {
  return `${shape}/${early}/${ships}`
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] as number), 0)
}

/** How many of the first `most` ships together cost no more than `worth`. */
function affordable(
  demandOf: readonly number[],
  prices: readonly number[],
  worth: number,
  most: number,
): number {
  let left = worth
  for (let i = 0; i < most; i++) {
    left -= prices[demandOf[i] as number] as number
    if (left < 0) return i
  }
  return most
}

/** What is worth most on one host of each shape, by dynamic programming over all that may be left of the largest. */
class Knapsack {
  readonly #shapes: { cpu: number; memory: number }[]
  readonly #demands: { cpu: number; memory: number }[]
  readonly #width: number
  readonly #worth: Float64Array

  constructor(shapes: readonly Count[], demands: readonly Resources[]) {
    const cpuUnit = demands.map(({ cpuMillis }) => cpuMillis).reduce(divisor)
    const memoryUnit = demands.map(({ memoryMiB }) => memoryMiB).reduce(divisor)
    const inUnits = ({ cpuMillis, memoryMiB }: Resources) => ({
      cpu: Math.floor(cpuMillis / cpuUnit),
      memory: Math.floor(memoryMiB / memoryUnit),
    })
    this.#shapes = shapes.map(({ resources }) => inUnits(resources))
    this.#demands = demands.map(inUnits)
    this.#width = 1 + Math.max(...this.#shapes.map(({ memory }) => memory))
    this.#worth = new Float64Array(this.#width * (1 + Math.max(...this.#shapes.map(({ cpu }) => cpu))))
  }

  fill(prices: readonly number[], early: boolean): Pattern[] {
    const worth = this.#worth.fill(0)
    const width = this.#width
    for (const [d, { cpu, memory }] of this.#demands.entries()) {
      const price = prices[d] as number
      if (price <= 0) continue
      const step = cpu * width + memory
      for (let row = cpu * width; row < worth.length; row += width) {
        for (let at = row + memory; at < row + width; at++) {
          const with1 = (worth[at - step] as number) + price
          if (with1 > (worth[at] as number)) worth[at] = with1
        }
      }
    }
    return this.#shapes.map(({ cpu, memory }, shape) => ({
      shape,
      early,
      ships: this.#shipsIn(cpu * width + memory, prices),
      worth: worth[cpu * width + memory] as number,
    }))
  }

  /** Reads off the table which ships make up the worth of what begins at `at`. */
  #shipsIn(at: number, prices: readonly number[]): number[] {
    const ships = prices.map(() => 0)
    for (let left = at; (this.#worth[left] as number) > 0; ) {
      let next = -1
      let most = 0
      let which = -1
      for (const [d, { cpu, memory }] of this.#demands.entries()) {
        const price = prices[d] as number
        if (price <= 0 || left < cpu * this.#width || left % this.#width < memory) continue
        const rest = left - cpu * this.#width - memory
        const worth = (this.#worth[rest] as number) + price
        if (worth > most) [most, next, which] = [worth, rest, d]
      }
      if (which < 0) break
      ships[which] = (ships[which] as number) + 1
      left = next
    }
    return ships
  }
}

function same(a: Resources, b: Resources): boolean {
  return a.cpuMillis === b.cpuMillis && a.memoryMiB === b.memoryMiB
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b)
}
