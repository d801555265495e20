// Reads a container's processor time and memory from its cgroup, version 1 or 2: 0.1 ms, where one `docker stats`
// takes a second. These files are the kernel's own, so a plain read never waits, and costs a fifth of a promise's.
import { readFileSync } from 'node:fs'

export interface CgroupFiles {
  /** @throws when the container has ended. */
  readUsage(): { cpuMs: number; memoryBytes: number }
}

const root = '/sys/fs/cgroup'

/** The cgroup of a process; undefined when it cannot be told. */
export function cgroupOf(pid: number): CgroupFiles | undefined {
  const text = read(`/proc/${pid}/cgroup`)
  const paths = new Map<string, string>()
  for (const line of text.trim().split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    for (const controller of controllers.split(',')) paths.set(controller, path)
  }
  const cpu = paths.get('cpuacct')
  const memory = paths.get('memory')
  if (cpu !== undefined && memory !== undefined) return version1(cpu, memory)
  const unified = paths.get('')
  return unified === undefined ? undefined : version2(unified)
}

function version1(cpu: string, memory: string): CgroupFiles {
  return {
    readUsage: () => {
      const nanoseconds = read(`${root}/cpuacct${cpu}/cpuacct.usage`)
      const bytes = read(`${root}/memory${memory}/memory.usage_in_bytes`)
      const stat = read(`${root}/memory${memory}/memory.stat`)
      const memoryBytes = Number(bytes) - valueIn(stat, 'total_inactive_file')
      return { cpuMs: Number(nanoseconds) / 1e6, memoryBytes: Math.max(0, memoryBytes) }
    },
  }
}

function version2(path: string): CgroupFiles {
  return {
    readUsage: () => {
      const cpu = read(`${root}${path}/cpu.stat`)
      const bytes = read(`${root}${path}/memory.current`)
      const stat = read(`${root}${path}/memory.stat`)
      const memoryBytes = Number(bytes) - valueIn(stat, 'inactive_file')
      return { cpuMs: valueIn(cpu, 'usage_usec') / 1e3, memoryBytes: Math.max(0, memoryBytes) }
    },
  }
}

function read(file: string): string {
  return readFileSync(file, 'utf8')
}

/** Page cache that nobody needs is not what a ship uses. */
function valueIn(stat: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0)
}
