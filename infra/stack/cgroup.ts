// Makes cgroup v2 usable for a Docker engine inside a container.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const needed = ['cpu', 'memory', 'pids']

/**
 * Lets groups below the root have limits. A container's own root group must first be empty of processes, so these
 * move into a group beside the engine's; the machine's true root group, and v1, need nothing of this.
 */
export function delegateControllers(root = '/sys/fs/cgroup'): void {
  const missing = needed.filter((name) => !read(root, 'cgroup.subtree_control').includes(name))
  const available = read(root, 'cgroup.controllers')
  const wanted = missing.filter((name) => available.includes(name)).map((name) => `+${name}`)
  if (wanted.length === 0 || enable(root, wanted)) return
  const init = join(root, 'init')
  mkdirSync(init, { recursive: true })
  for (const pid of read(root, 'cgroup.procs')) {
    try {
      writeFileSync(join(init, 'cgroup.procs'), pid)
    } catch {
      // A process that has just ended.
    }
  }
  enable(root, wanted)
}

function enable(root: string, controllers: readonly string[]): boolean {
  try {
    writeFileSync(join(root, 'cgroup.subtree_control'), controllers.join(' '))
    return true
  } catch {
    return false
  }
}

/** Words of a control file; none where it does not exist. */
function read(root: string, file: string): string[] {
  try {
    return readFileSync(join(root, file), 'utf8').split(/\s+/).filter(Boolean)
  } catch {
    return []
  }
}
