// Measures the whole machine: processor, memory, load, network, and room where Docker keeps its data. The kernel's own
// files are read at once, as in cgroup.ts; of disks is told what was last seen.
import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import type { HostSample } from '../../shared/model/host.ts'
import type { Disks } from '../disks.ts'
import type { Images } from '../docker/images.ts'
import { Rate } from './rate.ts'
import { carriedHere } from './traffic.ts'

const mostImageNames = 50

export class HostMeter {
  readonly #disks: Disks
  readonly #degraded: () => string | null
  readonly #images: Images
  readonly #cpu = new Rate()
  readonly #rx = new Rate()
  readonly #tx = new Rate()

  constructor(disks: Disks, images: Images, degraded: () => string | null) {
    this.#disks = disks
    this.#images = images
    this.#degraded = degraded
  }

  sample(): HostSample {
    const { freeMiB = null, totalMiB = null } = this.#disks.room ?? {}
    const atMs = performance.now()
    const carried = carriedHere()
    return {
      cpuMillis: this.#cpu.of(busyMs(), atMs) ?? 0,
      memoryMiB: memoryUsedMiB(),
      load1: loadavg()[0] ?? 0,
      diskFreeMiB: freeMiB,
      diskTotalMiB: totalMiB,
      ...(carried && {
        rxBytesPerSecond: Math.round(this.#rx.of(carried.rxBytes, atMs) ?? 0),
        txBytesPerSecond: Math.round(this.#tx.of(carried.txBytes, atMs) ?? 0),
      }),
      degraded: this.#degraded(),
      images: this.#images.log.size,
      imageNames: this.#images.log.newest(mostImageNames),
      pulls: this.#images.pulls().slice(0, 32),
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
