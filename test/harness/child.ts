// Child processes for tests: they inherit no sockets, and end with the test process.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

// Without it a child would keep open what the ZooKeeper driver closes (see shared/zookeeper/native.ts).
const closeInherited = 'for n in $(ls /proc/self/fd); do [ "$n" -gt 2 ] && eval "exec $n>&-"; done; exec "$@"'

export function startChild(
  command: string,
  parameters: readonly string[],
  stdio: StdioOptions,
  env: Record<string, string> = {},
): ChildProcess {
  const child = spawn('bash', ['-c', closeInherited, 'bash', command, ...parameters], {
    stdio,
    env: { ...process.env, ...env },
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}
