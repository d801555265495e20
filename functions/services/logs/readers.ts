// Who reads logs, or writes to consoles, at this ApiServer: how many there may be.
import { ArmadaError } from '../../../shared/errors.ts'
import type { Caller } from '../../middleware/callers.ts'
import { busy } from './shipOutput.ts'

export interface ReaderLimits {
  total?: number
  ofShip?: number
  /** So that one token does not keep the others out. */
  ofCaller?: number
}

export class Readers {
  readonly #limits: Required<ReaderLimits>
  readonly #counts = new Map<string, number>()
  #all = 0

  constructor({ total = 256, ofShip = 16, ofCaller = 64 }: ReaderLimits = {}) {
    this.#limits = { total, ofShip, ofCaller }
  }

  get size(): number {
    return this.#all
  }

  /** @returns a function that ends it, to be called once. @throws ArmadaError too_many_streams */
  enter({ role, name }: Pick<Caller, 'role' | 'name'>, ship: string): () => void {
    const { total, ofShip, ofCaller } = this.#limits
    const keys = { ship: `ship ${ship}`, caller: `${role} ${name}` }
    const held = this.#counts.get(keys.caller) ?? 0
    if (held >= ofCaller) throw tooMany(name, held)
    if (this.#all >= total || (this.#counts.get(keys.ship) ?? 0) >= ofShip) throw busy(ship)
    this.#all++
    for (const key of Object.values(keys)) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    return () => {
      this.#all--
      for (const key of Object.values(keys)) {
        const left = (this.#counts.get(key) ?? 1) - 1
        if (left > 0) this.#counts.set(key, left)
        else this.#counts.delete(key)
      }
    }
  }
}

function tooMany(name: string, held: number): ArmadaError {
  return new ArmadaError(
    'too_many_streams',
    `"${name}" reads ${held} logs here at once. Close some, or read each ship once and share what it prints.`,
    { retryAfterSeconds: 10 },
  )
}
