// Host ports: which numbers of a host are taken, and which a ship gets.
//
// INVARIANTS
// - A number in use is in use for both protocols: holdings do not tell them apart, and neither do people.
// - The search goes on from the last number given, so a port that was just freed is not given again at once.
import type { PortChoice, PortRange, PortRequest } from '../../../shared/model/port.ts'

/** The ports of one demand, sorted out once. */
export interface PortPlan {
  fixed: readonly { name: string; number: number }[]
  /** Different numbers among the fixed ones: tcp and udp of one ship may share one. */
  fixedNumbers: readonly number[]
  /** Names of the ports that take any number of the host's range. */
  any: readonly string[]
  /** Two ports of the ship that ask for the same thing: such a ship fits nowhere. */
  clash: string | undefined
}

export function planPorts(requests: readonly PortRequest[]): PortPlan {
  const fixed: { name: string; number: number }[] = []
  const any: string[] = []
  const owners = new Map<string, string>()
  let clash: string | undefined
  for (const { name, policy, protocol, hostPort } of requests) {
    if (policy === 'dynamic' || policy === 'passthrough') any.push(name)
    if (policy !== 'static' || hostPort === undefined) continue
    fixed.push({ name, number: hostPort })
    for (const one of protocol.split('+')) {
      const owner = owners.get(`${hostPort}/${one}`)
      if (owner !== undefined) clash ??= `its ports ${owner} and ${name} both ask for ${hostPort}/${one}`
      owners.set(`${hostPort}/${one}`, name)
    }
  }
  return { fixed, fixedNumbers: [...new Set(fixed.map((port) => port.number))], any, clash }
}

export class PortBook {
  readonly #range: PortRange
  readonly #users = new Map<number, number>()
  #usedInRange = 0
  #cursor: number

  /** @param seed where in the range the search begins. */
  constructor(range: PortRange, seed = 0) {
    this.#range = range
    this.#cursor = range.from + (seed % this.size)
  }

  get size(): number {
    return this.#range.to - this.#range.from + 1
  }

  get freeInRange(): number {
    return this.size - this.#usedInRange
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
      else if (this.#users.delete(number) && this.#inRange(number)) this.#usedInRange--
    }
  }

  /** Whether enough numbers of the range are left for the ports that take any. */
  hasEnough({ any, fixedNumbers }: PortPlan): boolean {
    if (any.length === 0) return true
    let wanted = any.length
    for (const number of fixedNumbers) if (this.#inRange(number) && this.isFree(number)) wanted++
    return wanted <= this.freeInRange
  }

  /** Chooses and takes numbers; the plan must fit. */
  choose({ fixed, fixedNumbers, any }: PortPlan): { ports: PortChoice; numbers: number[] } {
    const ports: PortChoice = {}
    this.take(fixedNumbers)
    for (const { name, number } of fixed) ports[name] = number
    // Mapped, not pushed: an array that grew keeps room for 17, and a hundred thousand of these are kept.
    const chosen = any.map((name) => {
      const number = this.#next()
      ports[name] = number
      this.#take(number)
      return number
    })
    return { ports, numbers: fixedNumbers.length > 0 ? [...fixedNumbers, ...chosen] : chosen }
  }

  #take(number: number): void {
    const users = this.#users.get(number) ?? 0
    this.#users.set(number, users + 1)
    if (users === 0 && this.#inRange(number)) this.#usedInRange++
  }

  #next(): number {
    const { from, to } = this.#range
    let number = this.#cursor
    for (let tries = this.size; tries > 0 && !this.isFree(number); tries--) {
      number = number === to ? from : number + 1
    }
    this.#cursor = number === to ? from : number + 1
    return number
  }

  #inRange(number: number): boolean {
    return number >= this.#range.from && number <= this.#range.to
  }
}
