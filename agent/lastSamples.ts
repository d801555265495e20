// What was last measured of each ship aboard: the Advisor notes it, the Worker hands it over with the ship's exit.
import type { ShipSample } from '../shared/model/ship.ts'
import { keyOf, type Roster, type ShipAttempt } from './roster.ts'

type Measured = Omit<ShipSample, 'ship'>

export class LastSamples {
  readonly #samples = new Map<string, Measured>()

  constructor(roster: Roster) {
    roster.onChange((now, before) => {
      if (!now && before) this.#samples.delete(keyOf(before.grant))
    })
  }

  note(of: ShipAttempt, { ship: _, ...measured }: ShipSample): void {
    this.#samples.set(keyOf(of), measured)
  }

  of(of: ShipAttempt): Measured | null {
    return this.#samples.get(keyOf(of)) ?? null
  }
}
