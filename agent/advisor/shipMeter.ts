// Measures the ships: all of them in one pass, together with what their own queries said.
import type { ShipSample } from '../../shared/model/ship.ts'
import { type CgroupFiles, cgroupOf } from '../cgroup.ts'
import type { LastSamples } from '../lastSamples.ts'
import type { Aboard, Roster } from '../roster.ts'

/** What a game says of itself. */
export interface Players {
  players: number | null
  maxPlayers: number | null
  map: string | null
}

interface Meter {
  files: CgroupFiles | undefined
  last: { cpuMs: number; atMs: number } | undefined
}

export class ShipMeter {
  readonly #roster: Roster
  readonly #players: (ship: string) => Players | undefined
  readonly #last: LastSamples
  readonly #meters = new Map<string, Meter>()

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
    return running.map((entry) => this.#sampleOf(entry))
  }

  #sampleOf(entry: Aboard): ShipSample {
    const { ship } = entry.grant
    const { players = null, maxPlayers = null, map = null } = this.#players(ship) ?? {}
    const sample = { ship, players, maxPlayers, map, ...this.#usageOf(entry) }
    // Of a container that has just ended nothing can be measured: what is known of it is better.
    if (sample.memoryMiB !== null) this.#last.note(entry.grant, sample)
    return sample
  }

  #usageOf({ containerId, pid }: Aboard): typeof unknown {
    const id = containerId ?? ''
    try {
      const meter = this.#meters.get(id) ?? { files: cgroupOf(pid), last: undefined }
      this.#meters.set(id, meter)
      const usage = meter.files?.readUsage()
      if (!usage) return unknown
      const atMs = performance.now()
      const { last } = meter
      meter.last = { cpuMs: usage.cpuMs, atMs }
      const cpuMillis = last ? Math.max(0, ((usage.cpuMs - last.cpuMs) / (atMs - last.atMs)) * 1_000) : null
      return { cpuMillis: round(cpuMillis), memoryMiB: round(usage.memoryBytes / 1024 / 1024) }
    } catch {
      return unknown
    }
  }
}

const unknown: { cpuMillis: number | null; memoryMiB: number | null } = { cpuMillis: null, memoryMiB: null }

function round<T extends number | null>(value: T): T {
  return (value === null ? null : Math.round(value * 10) / 10) as T
}
