// Measures the whole machine: processor, memory, load, network, and room where Docker keeps its data. The kernel's own
// files are read at once, as in cgroup.ts.
import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { loadavg } from 'node:os'
import type { HostSample } from '../../shared/model/host.ts'
import { MiB } from '../../shared/model/resources.ts'
import type { Engine } from '../docker/engine.ts'
import type { Images } from '../docker/images.ts'
import { Rate } from './rate.ts'
import { carriedHere } from './traffic.ts'

const mostImageNames = 50

export class HostMeter {
  readonly #engine: Engine
  readonly #images: Images
  readonly #cpu = new Rate()
  readonly #rx = new Rate()
  readonly #tx = new Rate()
  #dataDir: string | undefined

  constructor(engine: Engine, images: Images) {
    this.#engine = engine
    this.#images = images
  }

  async sample(): Promise<HostSample> {
    const disk = await this.#disk()
    const atMs = performance.now()
    const carried = carriedHere()
    return {
      cpuMillis: this.#cpu.of(busyMs(), atMs) ?? 0,
      memoryMiB: memoryUsedMiB(),
      load1: loadavg()[0] ?? 0,
      ...disk,
      ...(carried && {
        rxBytesPerSecond: Math.round(this.#rx.of(carried.rxBytes, atMs) ?? 0),
        txBytesPerSecond: Math.round(this.#tx.of(carried.txBytes, atMs) ?? 0),
      }),
      degraded: this.#engine.away?.slice(0, 512) ?? null,
      images: this.#images.log.size,
      imageNames: this.#images.log.newest(mostImageNames),
      pulls: this.#images.pulls().slice(0, 32),
    }
  }

  async #disk(): Promise<Pick<HostSample, 'diskFreeMiB' | 'diskTotalMiB'>> {
    try {
      this.#dataDir ??= (await this.#engine.info()).DockerRootDir
      const { bavail, blocks, bsize } = await statfs(this.#dataDir)
      return {
        diskFreeMiB: Math.floor((bavail * bsize) / MiB),
        diskTotalMiB: Math.floor((blocks * bsize) / MiB),
      }
    } catch {
      return { diskFreeMiB: null, diskTotalMiB: null }
    }
  }
}

/** Of all cores together, since the machine started. */
function busyMs(): number {
  const [, ...ticks] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').trim().split(/\s+/)
  // user nice system idle iowait irq softirq steal; a tick is 10 ms.
  return ticks.slice(0, 8).reduce((sum, tick, i) => sum + (i === 3 || i === 4 ? 0 : Number(tick)), 0) * 10
}

function memoryUsedMiB(): number {
  const text = readFileSync('/proc/meminfo', 'utf8')
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  return Math.max(0, (kib('MemTotal') - kib('MemAvailable')) / 1024)
}
