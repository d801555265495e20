// Measures the whole machine: processor, memory, load, and room where Docker keeps its data. The kernel's own files are
// read at once, as in cgroup.ts.
import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { loadavg } from 'node:os'
import type { HostSample } from '../../shared/model/host.ts'
import { MiB } from '../../shared/model/resources.ts'
import type { Engine } from '../docker/engine.ts'
import type { Images } from '../docker/images.ts'

export class HostMeter {
  readonly #engine: Engine
  readonly #images: Images
  #last: { busyMs: number; atMs: number } | undefined
  #dataDir: string | undefined

  constructor(engine: Engine, images: Images) {
    this.#engine = engine
    this.#images = images
  }

  async sample(): Promise<HostSample> {
    const diskFreeMiB = await this.#diskFreeMiB()
    const cpuMillis = this.#cpuMillis()
    const memoryMiB = memoryUsedMiB()
    const degraded = this.#engine.away?.slice(0, 512) ?? null
    const images = this.#images.log.size
    const pulls = this.#images.pulls().slice(0, 32)
    return { cpuMillis, memoryMiB, load1: loadavg()[0] ?? 0, diskFreeMiB, degraded, images, pulls }
  }

  /** Since the last sample; 0 at the first. */
  #cpuMillis(): number {
    const [, ...ticks] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').trim().split(/\s+/)
    // user nice system idle iowait irq softirq steal; a tick is 10 ms.
    const busyMs =
      ticks.slice(0, 8).reduce((sum, tick, i) => sum + (i === 3 || i === 4 ? 0 : Number(tick)), 0) * 10
    const atMs = performance.now()
    const last = this.#last
    this.#last = { busyMs, atMs }
    return last && atMs > last.atMs ? Math.max(0, ((busyMs - last.busyMs) / (atMs - last.atMs)) * 1_000) : 0
  }

  async #diskFreeMiB(): Promise<number | null> {
    try {
      this.#dataDir ??= (await this.#engine.info()).DockerRootDir
      const { bavail, bsize } = await statfs(this.#dataDir)
      return Math.floor((bavail * bsize) / MiB)
    } catch {
      return null
    }
  }
}

function memoryUsedMiB(): number {
  const text = readFileSync('/proc/meminfo', 'utf8')
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  return Math.max(0, (kib('MemTotal') - kib('MemAvailable')) / 1024)
}
