// What an engine leaves behind when it is killed: containers, shims, mounts and cgroups, found by our marks on them.
import { readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './command.ts'
import { endMarked, startTicksOf } from './leftover.ts'

export interface EngineMarks {
  /** Parent of the cgroups of all its containers, without a leading slash. */
  cgroupParent: string
  /** Its containerd's socket, which every shim has on its command line. */
  containerdSocket: string
  /** Nothing may stay mounted under these. */
  folders: readonly string[]
}

/** Ends every container and shim of a dead engine and unties its folders, so that they can be deleted. */
export async function clearRemains(marks: EngineMarks): Promise<void> {
  await Promise.all([...shimsOf(marks.containerdSocket), ...processesIn(marks.cgroupParent)].map(end))
  for (const point of mountsUnder(marks.folders)) {
    if (!(await run('umount', [point])).ok) await run('umount', ['-l', point])
  }
  for (const group of cgroupsOf(marks.cgroupParent)) {
    for (const folder of foldersUnder(group)) {
      try {
        rmdirSync(folder)
      } catch {}
    }
  }
}

async function end(pid: number): Promise<void> {
  const startTicks = startTicksOf(pid)
  if (startTicks !== undefined) await endMarked({ pid, startTicks }, 0)
}

function shimsOf(containerdSocket: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const argv = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
      const isShim = argv[0]?.includes('containerd-shim') && argv.includes(containerdSocket)
      return isShim ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

function processesIn(cgroupParent: string): number[] {
  const pids = new Set<number>()
  for (const group of cgroupsOf(cgroupParent)) {
    for (const folder of foldersUnder(group)) {
      try {
        const listed = readFileSync(join(folder, 'cgroup.procs'), 'utf8')
        for (const line of listed.split('\n')) if (line !== '') pids.add(Number(line))
      } catch {}
    }
  }
  return [...pids]
}

/** The group in every hierarchy: one with cgroup v2, one a controller with v1. */
function cgroupsOf(cgroupParent: string): string[] {
  const root = '/sys/fs/cgroup'
  const hierarchies = [root, ...readdirSync(root).map((name) => join(root, name))]
  return hierarchies.map((hierarchy) => join(hierarchy, cgroupParent)).filter(isFolder)
}

/** A folder and all below it, deepest first. */
function foldersUnder(folder: string): string[] {
  const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return [...below.flatMap((entry) => foldersUnder(join(folder, entry.name))), folder]
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** Mount points under the folders, last mounted first. */
function mountsUnder(folders: readonly string[]): string[] {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
  return points.filter((point) => folders.some((folder) => point.startsWith(`${folder}/`))).reverse()
}
