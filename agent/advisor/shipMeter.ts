// Measures the ships: all of them in one pass, together with what their own queries said.
import { MiB } from '../../shared/model/resources.ts'
import type { ShipSample } from '../../shared/model/ship.ts'
import { type CgroupFiles, cgroupOf } from '../cgroup.ts'
import type { LastSamples } from '../lastSamples.ts'
import type { Aboard, Roster } from '../roster.ts'
import { Emptiness } from './emptiness.ts'
import { Rate } from './rate.ts'
import { ShipTraffic } from './traffic.ts'

/** What a game says of itself. */
export interface Players {
  players: number | null
  maxPlayers: number | null
  map: string | null
}

interface Meter {
  files: CgroupFiles | undefined
  cpu: Rate
  traffic: ShipTraffic
}

type Usage = Omit<ShipSample, 'ship' | 'emptyForMs' | keyof Players>

export class ShipMeter {
  readonly #roster: Roster
  readonly #players: (ship: string) => Players | undefined
  readonly #last: LastSamples
  readonly #meters = new Map<string, Meter>()
  readonly #emptiness = new Map<string, Emptiness>()

  constructor(roster: Roster, players: (ship: string) => Players | undefined, last: LastSamples) {
    this.#roster = roster
    this.#last = last
    this.#players = players
  }

  sample(): ShipSample[] {
    const running = this.#roster.list().filter((entry) => entry.pid > 0)
    const present = new Set(running.map((entry) => entry.containerId))
    for (const [id, meter] of this.#meters) {
      if (present.has(id)) continue
      meter.files?.close()
      this.#meters.delete(id)
    }
    for (const id of this.#emptiness.keys()) if (!present.has(id)) this.#emptiness.delete(id)
    return running.map((entry) => this.#sampleOf(entry))
  }

  #sampleOf(entry: Aboard): ShipSample {
    const { ship } = entry.grant
    const { players = null, maxPlayers = null, map = null } = this.#players(ship) ?? {}
    const emptyForMs = this.#emptinessOf(entry).of(players, performance.now())
    const sample = { ship, players, maxPlayers, emptyForMs, map, ...this.#usageOf(entry) }
    // Of a container that has just ended nothing can be measured: what is known of it is better.
    if (sample.memoryMiB !== null) this.#last.note(entry.grant, sample)
    return sample
  }

  #emptinessOf({ containerId }: Aboard): Emptiness {
    const id = containerId ?? ''
    const known = this.#emptiness.get(id) ?? new Emptiness()
    this.#emptiness.set(id, known)
    return known
  }

  #usageOf({ containerId, pid, grant }: Aboard): Usage {
    const id = containerId ?? ''
    try {
      const meter = this.#meters.get(id) ?? newMeter(pid)
      this.#meters.set(id, meter)
      const { files } = meter
      if (!files) return unknown
      const { cpuMs, memoryBytes } = files.readUsage()
      // On the host's network its traffic is nobody's own.
      const networkPid = grant.spec.network === 'bridge' ? pid : null
      return {
        cpuMillis: round(meter.cpu.of(cpuMs, performance.now())),
        memoryMiB: round(memoryBytes / MiB),
        ...meter.traffic.of(networkPid, () => files.processes()),
      }
    } catch {
      return unknown
    }
  }
}

const unknown: Usage = { cpuMillis: null, memoryMiB: null }

function newMeter(pid: number): Meter {
  return { files: cgroupOf(pid), cpu: new Rate(), traffic: new ShipTraffic() }
}

function round<T extends number | null>(value: T): T {
  return (value === null ? null : Math.round(value * 10) / 10) as T
}
