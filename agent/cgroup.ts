// Reads a container's processor time, memory and processes from its cgroup, version 1 or 2: 0.1 ms, where one `docker
// stats` takes a second. These files are the kernel's own, so a plain read never waits; kept open, they cost a quarter of
// what opening them each time does.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

export interface CgroupFiles {
  /** @throws when the container has ended. */
  readUsage(): { cpuMs: number; memoryBytes: number }
  /** Its processes; null when they are too many to look at. @throws when the container has ended. */
  processes(): string[] | null
  close(): void
}

interface Version {
  /** Folder of each file below /sys/fs/cgroup, and its name. */
  files: readonly [cpu: string, memory: string, memoryStat: string, processes: string]
  cpuMs: (text: string) => number
  /** In memoryStat: page cache that nobody needs is not what a ship uses. */
  unneeded: string
}

const root = '/sys/fs/cgroup'
const page = Buffer.allocUnsafe(16_384)
/** That file is the longest, and the one that the kernel takes longest to write. */
const unneededEveryMs = 15_000
/** What a ship takes to measure has a bound. */
const mostProcesses = 32

/** The cgroup of a process; undefined when it cannot be told. @throws when the process has ended. */
export function cgroupOf(pid: number): CgroupFiles | undefined {
  const paths = new Map<string, string>()
  for (const { controllers, path } of groupsIn(readFileSync(`/proc/${pid}/cgroup`, 'utf8')))
    for (const controller of controllers.split(',')) paths.set(controller, path)
  const cpu = paths.get('cpuacct')
  const memory = paths.get('memory')
  if (cpu !== undefined && memory !== undefined) return open(version1(cpu, memory))
  const unified = paths.get('')
  return unified === undefined ? undefined : open(version2(unified))
}

/** What `/proc/<pid>/cgroup` holds: one of version 2 has no controllers. */
export function groupsIn(text: string): { controllers: string; path: string }[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
      return { controllers, path }
    })
}

/** Whether the process runs, and belongs to that container. */
export function runsIn({ pid, containerId }: { pid: number; containerId: string | null }): boolean {
  try {
    if (containerId === null || !readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(containerId))
      return false
    // One that has ended stays there as a zombie until somebody has heard of it. Its name may have any character.
    return !/^[ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, ''))
  } catch {
    return false
  }
}

function version1(cpu: string, memory: string): Version {
  const at = `memory${memory}/memory`
  return {
    files: [
      `cpuacct${cpu}/cpuacct.usage`,
      `${at}.usage_in_bytes`,
      `${at}.stat`,
      `memory${memory}/cgroup.procs`,
    ],
    cpuMs: (text) => Number(text) / 1e6,
    unneeded: 'total_inactive_file',
  }
}

function version2(path: string): Version {
  return {
    files: [`${path}/cpu.stat`, `${path}/memory.current`, `${path}/memory.stat`, `${path}/cgroup.procs`],
    cpuMs: (text) => valueIn(text, 'usage_usec') / 1e3,
    unneeded: 'inactive_file',
  }
}

function open({ files, cpuMs, unneeded }: Version): CgroupFiles {
  const opened: number[] = []
  const close = () => {
    for (const file of opened.splice(0)) closeSync(file)
  }
  try {
    for (const file of files) opened.push(openSync(`${root}/${file}`, 'r'))
  } catch (error) {
    close()
    throw error
  }
  const [cpu = -1, memory = -1, stat = -1, processes = -1] = opened
  let unneededBytes = 0
  let atMs = Number.NEGATIVE_INFINITY
  return {
    readUsage: () => {
      const nowMs = performance.now()
      if (nowMs - atMs >= unneededEveryMs) {
        unneededBytes = valueIn(read(stat), unneeded)
        atMs = nowMs
      }
      return { cpuMs: cpuMs(read(cpu)), memoryBytes: Math.max(0, Number(read(memory)) - unneededBytes) }
    },
    processes: () => {
      const all = read(processes).trim().split('\n')
      return all.length <= mostProcesses ? all : null
    },
    close,
  }
}

function read(file: number): string {
  return page.toString('latin1', 0, readSync(file, page, 0, page.length, 0))
}

function valueIn(stat: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0)
}
