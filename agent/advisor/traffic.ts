// Bytes over networks and from and to disks, from the kernel's own tables.
import { existsSync, readFileSync } from 'node:fs'
import type { ShipSample } from '../../shared/model/ship.ts'
import { Rate } from './rate.ts'

/** These tables cost the kernel several times what the rest of a sample does. */
const everyMs = 30_000

export type Traffic = Pick<
  ShipSample,
  'rxBytesPerSecond' | 'txBytesPerSecond' | 'readBytesPerSecond' | 'writeBytesPerSecond'
>

interface Carried {
  rxBytes: number
  txBytes: number
}

/** By the devices of this machine; null when it has none. Bridges and bonds carry what a device has carried. */
export function carriedHere(): Carried | null {
  // Each ship on a bridge has one here too, which is none of the machine's own.
  return carriedBy('self', (name) => !name.startsWith('veth') && isDevice(name))
}

/** Of two that are one to others, such as a virtual function beside its driver, both have a device. */
function isDevice(name: string): boolean {
  const at = `/sys/class/net/${name}`
  return existsSync(`${at}/device`) && !existsSync(`${at}/master/device`)
}

/** @throws when the process has ended. */
function carriedBy(pid: number | 'self', counts: (name: string) => boolean): Carried | null {
  let carried: Carried | null = null
  for (const line of readFileSync(`/proc/${pid}/net/dev`, 'latin1').split('\n').slice(2)) {
    const [name = '', ...numbers] = line.trim().split(/[:\s]+/)
    if (name === '' || !counts(name)) continue
    carried ??= { rxBytes: 0, txBytes: 0 }
    carried.rxBytes += Number(numbers[0])
    carried.txBytes += Number(numbers[8])
  }
  return carried
}

/**
 * Not from their cgroup: its version 1 counts no bytes where no limit is set. What a process that has ended had done is
 * its parent's from then on; one that Docker put beside them takes it along. Null: the kernel does not tell.
 */
function movedBy(processes: readonly string[]): { readBytes: number; writeBytes: number } | null {
  const texts = processes.flatMap((pid) => {
    try {
      return [readFileSync(`/proc/${pid}/io`, 'latin1')]
    } catch {
      return []
    }
  })
  const sumOf = (pattern: RegExp) => texts.reduce((sum, text) => sum + Number(pattern.exec(text)?.[1]), 0)
  if (texts.length === 0) return null
  return { readBytes: sumOf(/^read_bytes: (\d+)$/m), writeBytes: sumOf(/^write_bytes: (\d+)$/m) }
}

export class ShipTraffic {
  readonly #rx = new Rate()
  readonly #tx = new Rate()
  readonly #read = new Rate()
  readonly #write = new Rate()
  #atMs = Number.NEGATIVE_INFINITY
  #last: Traffic = {}

  /** @param networkPid null: it has no network of its own. @throws when that process has ended. */
  of(networkPid: number | null, processes: () => readonly string[] | null): Traffic {
    const nowMs = performance.now()
    if (nowMs - this.#atMs < everyMs) return this.#last
    this.#atMs = nowMs
    const carried = networkPid === null ? null : carriedBy(networkPid, (name) => name !== 'lo')
    const moved = movedBy(processes() ?? [])
    this.#last = {
      rxBytesPerSecond: carried && whole(this.#rx.of(carried.rxBytes, nowMs)),
      txBytesPerSecond: carried && whole(this.#tx.of(carried.txBytes, nowMs)),
      readBytesPerSecond: moved && whole(this.#read.of(moved.readBytes, nowMs)),
      writeBytesPerSecond: moved && whole(this.#write.of(moved.writeBytes, nowMs)),
    }
    return this.#last
  }
}

function whole(value: number | null): number | null {
  return value === null ? null : Math.round(value)
}
