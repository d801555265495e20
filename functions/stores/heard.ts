// What this ApiServer heard last from the agents, so that a Redis that was emptied gets it back at once.
import type { HostSample } from '../../shared/model/host.ts'
import type { ShipSample } from '../../shared/model/ship.ts'

export interface HeardHost {
  /** ISO 8601. */
  at: string
  /** JSON of the last sample; null: it has sent none yet. */
  sample: string | null
}

export class Heard {
  readonly #hosts = new Map<string, HeardHost>()
  readonly #ships = new Map<string, { host: string; text: string }>()

  /** @param sample null: not this time. */
  note(host: string, at: string, sample: HostSample | null, ships: readonly ShipSample[]): void {
    const text = sample ? JSON.stringify(sample) : (this.#hosts.get(host)?.sample ?? null)
    this.#hosts.set(host, { at, sample: text })
    for (const { ship, ...measured } of ships) this.#ships.set(ship, { host, text: JSON.stringify(measured) })
  }

  host(host: string): HeardHost | undefined {
    return this.#hosts.get(host)
  }

  hosts(): Iterable<[string, HeardHost]> {
    return this.#hosts
  }

  /** Samples as JSON, of ships that were last measured by one of these hosts. */
  *shipsOf(hosts: ReadonlySet<string>): Generator<[string, string]> {
    for (const [ship, { host, text }] of this.#ships) if (hosts.has(host)) yield [ship, text]
  }

  forgetHost(host: string): void {
    this.#hosts.delete(host)
  }

  forgetShip(ship: string): void {
    this.#ships.delete(ship)
  }
}
