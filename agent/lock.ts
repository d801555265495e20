// One agent at a time: a lock that the kernel releases when the process ends, however it ends.
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { createServer } from 'node:net'
import { ArmadaError } from '../shared/errors.ts'

/** This boot of this machine. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

/** Names the realm in which the lock holds: one network of one running kernel, and one state folder. */
export function placeOf(stateDir: string): string {
  return `${bootId()} ${readlinkSync('/proc/self/ns/net')} ${realpathSync(stateDir)}`
}

/**
 * Takes the locks of this host id on this engine, and of this state folder.
 * @throws ArmadaError `conflict` when another agent holds one.
 */
export async function lockHost(hostId: string, socketPath: string, stateDir: string): Promise<void> {
  await hold(`engine ${hostId} ${realPath(socketPath)}`, `host "${hostId}"`)
  await hold(`state ${realPath(stateDir)}`, `the state folder ${stateDir}`)
}

async function hold(name: string, whose: string): Promise<void> {
  // A socket in Linux's abstract namespace is no file: nothing is left behind, and nothing needs cleaning up.
  const server = createServer((socket) => socket.destroy())
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 32)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const detail = `An agent for ${whose} runs already on this machine. Stop it first, or give this one another ARMADA_HOST_ID and ARMADA_STATE_DIR.`
      reject(new ArmadaError('conflict', detail, { cause }))
    })
    server.listen(`\0armada-agent-${digest}`, () => resolve())
  })
  // It holds its name whatever becomes of those who connect.
  server.on('error', () => undefined)
  server.unref()
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
