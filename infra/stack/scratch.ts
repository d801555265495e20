// Folders for tests' servers: in memory where there is room for it, and swept when their owner was killed.
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAlive, startTicksOf } from './leftover.ts'
import { wipe } from './wipe.ts'

const prefix = 'armada-test-'
const memory = '/dev/shm'
/** etcd alone sets 64 MiB aside for its log; containers often have a /dev/shm of just that size. */
const leastMemoryBytes = 1024 ** 3

interface Owner {
  pid: number
  startTicks: string
  pidNamespace: string
}

export interface Scratch {
  dir: string
  /** Ends what still runs in it and deletes it. */
  remove(): Promise<void>
}

/**
 * A new folder under the machine's memory (or, for Docker's data and on small machines, on disk).
 * Also removes those whose owners are dead, with the servers and containers that they left.
 */
export async function scratchDir(where: 'memory' | 'disk' = 'memory'): Promise<Scratch> {
  await sweep()
  const dir = mkdtempSync(join(where === 'memory' && memoryHasRoom() ? memory : tmpdir(), prefix))
  const owner = { pid: process.pid, startTicks: startTicksOf(process.pid), pidNamespace: pidNamespace() }
  writeFileSync(join(dir, 'owner.json'), JSON.stringify(owner))
  return {
    dir,
    remove: async () => {
      await wipe(dir)
    },
  }
}

function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid')
}

function memoryHasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(memory)
    return bavail * bsize >= leastMemoryBytes
  } catch {
    return false
  }
}

async function sweep(): Promise<void> {
  for (const parent of new Set([memory, tmpdir()])) {
    for (const name of namesIn(parent)) {
      if (name.startsWith(prefix) && ownerIsDead(join(parent, name)))
        await wipe(join(parent, name)).catch(() => [])
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** A folder without a readable owner has just been made; one from another container cannot be judged from here. */
function ownerIsDead(dir: string): boolean {
  try {
    const owner = JSON.parse(readFileSync(join(dir, 'owner.json'), 'utf8')) as Owner
    return owner.pidNamespace === pidNamespace() && !isAlive(owner)
  } catch {
    return false
  }
}
