// What the ApiServers heard last from the agents, in memory: lookups are served from it, and a Redis that was
// emptied gets it back.
import type { HostSample } from '../../../shared/model/host.ts'
import type { ShipSample } from '../../../shared/model/ship.ts'

/** What one report of a host measured. */
export interface Report {
  host: string
  /** ISO 8601, by the clock of the ApiServer that heard it. */
  at: string
  /** null: not this time. */
  sample: HostSample | null
  ships: readonly ShipSample[]
}

export interface HeardHost {
  at: string
  /** JSON of the last sample; null: it has sent none yet. */
  sample: string | null
}

interface Kept<T> {
  value: T
  loading: number
}

export class Heard {
  readonly #hosts = new Map<string, Kept<HeardHost>>()
  readonly #ships = new Map<string, Kept<string>>()
  #loading = 0

  note({ host, at, sample, ships }: Report): void {
    const loading = this.#loading
    const text = sample ? JSON.stringify(sample) : (this.host(host)?.sample ?? null)
    this.#hosts.set(host, { value: { at, sample: text }, loading })
    for (const { ship, ...measured } of ships)
      this.#ships.set(ship, { value: JSON.stringify(measured), loading })
  }

  /** What is noted from now on is newer than what `loadHost` and `loadShip` bring. */
  beginLoading(): void {
    this.#loading++
  }

  loadHost(host: string, value: HeardHost): void {
    const loading = this.#loading
    if (this.#hosts.get(host)?.loading !== loading) this.#hosts.set(host, { value, loading: loading - 1 })
  }

  loadShip(ship: string, value: string): void {
    const loading = this.#loading
    if (this.#ships.get(ship)?.loading !== loading) this.#ships.set(ship, { value, loading: loading - 1 })
  }

  host(host: string): HeardHost | undefined {
    return this.#hosts.get(host)?.value
  }

  *hosts(): Generator<[string, HeardHost]> {
    for (const [host, { value }] of this.#hosts) yield [host, value]
  }

  /** The ship's last sample as JSON. */
  ship(ship: string): string | undefined {
    return this.#ships.get(ship)?.value
  }

  *ships(): Generator<[string, string]> {
    for (const [ship, { value }] of this.#ships) yield [ship, value]
  }

  forgetHost(host: string): void {
    this.#hosts.delete(host)
  }

  forgetShip(ship: string): void {
    this.#ships.delete(ship)
  }
}
