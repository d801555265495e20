// Host ports: which numbers of a host are taken, and which a ship gets.
//
// INVARIANTS
// - A number in use is in use for both protocols: holdings do not tell them apart, and neither do people.
// - The search goes on from the last number given, so a port that was just freed is not given again at once.
// - Ranges do not overlap: what is left of one does not depend on what is chosen of another.
import {
  defaultRange,
  overlap,
  type PortChoice,
  type PortRange,
  type PortRanges,
  type PortRequest,
} from '../../../shared/model/port.ts'

/** The ports of one demand, sorted out once. */
export interface PortPlan {
  fixed: readonly { name: string; number: number }[]
  /** Different numbers among the fixed ones: tcp and udp of one ship may share one. */
  fixedNumbers: readonly number[]
  /** Names of the ports that take any number of the host's default range. */
  any: readonly string[]
  /** The others, by the name of the range that they take any number of. */
  named: ReadonlyMap<string, readonly string[]>
  /** Two ports of the ship that ask for the same thing: such a ship fits nowhere. */
  clash: string | undefined
}

export function planPorts(requests: readonly PortRequest[]): PortPlan {
  const fixed: { name: string; number: number }[] = []
  const any: string[] = []
  const named = new Map<string, string[]>()
  const owners = new Map<string, string>()
  let clash: string | undefined
  for (const { name, policy, protocol, hostPort, range = defaultRange } of requests) {
    if (policy === 'dynamic' || policy === 'passthrough') {
      if (range === defaultRange) any.push(name)
      else named.set(range, [...(named.get(range) ?? []), name])
    }
    if (policy !== 'static' || hostPort === undefined) continue
    fixed.push({ name, number: hostPort })
    for (const one of protocol.split('+')) {
      const owner = owners.get(`${hostPort}/${one}`)
      if (owner !== undefined) clash ??= `its ports ${owner} and ${name} both ask for ${hostPort}/${one}`
      owners.set(`${hostPort}/${one}`, name)
    }
  }
  return { fixed, fixedNumbers: [...new Set(fixed.map((port) => port.number))], any, named, clash }
}

/** One range of a host. */
class Span {
  readonly #from: number
  readonly #to: number
  #used = 0
  #cursor: number

  constructor({ from, to }: PortRange, seed: number) {
    this.#from = from
    this.#to = to
    this.#cursor = from + (seed % this.size)
  }

  get size(): number {
    return this.#to - this.#from + 1
  }

  get free(): number {
    return this.size - this.#used
  }

  has(number: number): boolean {
    return number >= this.#from && number <= this.#to
  }

  count(by: 1 | -1): void {
    this.#used += by
  }

  /** The next number that is free; one must be. */
  next(taken: ReadonlyMap<number, unknown>): number {
    let number = this.#cursor
    for (let tries = this.size; tries > 0 && taken.has(number); tries--) number = this.#after(number)
    this.#cursor = this.#after(number)
    return number
  }

  #after(number: number): number {
    return number === this.#to ? this.#from : number + 1
  }
}

export class PortBook {
  readonly #span: Span
  /** Most hosts have none. */
  readonly #named: ReadonlyMap<string, Span> | undefined
  readonly #users = new Map<number, number>()

  /** @param seed where in the ranges the search begins. */
  constructor(range: PortRange, seed = 0, ranges: PortRanges = {}) {
    this.#span = new Span(range, seed)
    const named = apart(range, ranges)
    if (named.length > 0) this.#named = new Map(named.map(([name, one]) => [name, new Span(one, seed)]))
  }

  get freeInRange(): number {
    return this.#span.free
  }

  /** 0 when the host has no range of that name. */
  freeIn(range: string): number {
    return this.#named?.get(range)?.free ?? 0
  }

  isFree(number: number): boolean {
    return !this.#users.has(number)
  }

  take(numbers: readonly number[]): void {
    for (const number of numbers) this.#take(number)
  }

  give(numbers: readonly number[]): void {
    for (const number of numbers) {
      const users = this.#users.get(number) ?? 0
      if (users > 1) this.#users.set(number, users - 1)
      else if (this.#users.delete(number)) this.#spanOf(number)?.count(-1)
    }
  }

  /** Whether enough numbers of the default range are left for the ports that take any. */
  hasEnough({ any, fixedNumbers }: PortPlan): boolean {
    return any.length === 0 || this.#hasEnough(this.#span, any.length, fixedNumbers)
  }

  /** The same of a named range. */
  hasEnoughIn(range: string, { named, fixedNumbers }: PortPlan): boolean {
    const span = this.#named?.get(range)
    return span !== undefined && this.#hasEnough(span, named.get(range)?.length ?? 0, fixedNumbers)
  }

  /** Chooses and takes numbers; the plan must fit. */
  choose({ fixed, fixedNumbers, any, named }: PortPlan): { ports: PortChoice; numbers: number[] } {
    const ports: PortChoice = {}
    this.take(fixedNumbers)
    for (const { name, number } of fixed) ports[name] = number
    // Mapped, not pushed: an array that grew keeps room for 17, and a hundred thousand of these are kept.
    const chosen = any.map((name) => this.#give(name, this.#span, ports))
    if (fixedNumbers.length === 0 && named.size === 0) return { ports, numbers: chosen }
    const others = [...named].flatMap(([range, names]) => {
      const span = this.#named?.get(range)
      return span ? names.map((name) => this.#give(name, span, ports)) : []
    })
    return { ports, numbers: [...fixedNumbers, ...chosen, ...others] }
  }

  #give(name: string, span: Span, ports: PortChoice): number {
    const number = span.next(this.#users)
    ports[name] = number
    this.#take(number)
    return number
  }

  #hasEnough(span: Span, count: number, fixedNumbers: readonly number[]): boolean {
    let wanted = count
    for (const number of fixedNumbers) if (span.has(number) && this.isFree(number)) wanted++
    return wanted <= span.free
  }

  #take(number: number): void {
    const users = this.#users.get(number) ?? 0
    this.#users.set(number, users + 1)
    if (users === 0) this.#spanOf(number)?.count(1)
  }

  #spanOf(number: number): Span | undefined {
    if (this.#span.has(number)) return this.#span
    if (this.#named) for (const span of this.#named.values()) if (span.has(number)) return span
    return undefined
  }
}

/** The named ranges, without those that overlap one before: an agent refuses to have such. */
function apart(range: PortRange, ranges: PortRanges): [string, PortRange][] {
  const kept: [string, PortRange][] = []
  for (const [name, one] of Object.entries(ranges))
    if (!overlap(one, range) && !kept.some(([, other]) => overlap(one, other))) kept.push([name, one])
  return kept
}
