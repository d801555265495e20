// One agent at a time: a lock that the kernel releases when the process ends, however it ends.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ArmadaError } from '../shared/errors.ts'

/** This boot of this machine. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

/** Names the realm in which the lock holds: one network of one running kernel, and one state folder. */
export function placeOf(stateDir: string): string {
  return `${bootId()} ${readlinkSync('/proc/self/ns/net')} ${realpathSync(stateDir)}`
}

/** Where no ship and no other user can get at it: a ship on the host's network shares its sockets, also those without a file. */
const locksDir = process.getuid?.() === 0 ? '/run/armada' : tmpdir()

/**
 * Takes the locks of this host id on this engine, and of this state folder.
 * @throws ArmadaError `conflict` when another agent holds one.
 */
export function lockHost(hostId: string, socketPath: string, stateDir: string): void {
  mkdirSync(locksDir, { recursive: true, mode: 0o700 })
  const digest = createHash('sha256')
    .update(`${hostId} ${realPath(socketPath)}`)
    .digest('hex')
    .slice(0, 32)
  hold(join(locksDir, `agent-${digest}.lock`), `host "${hostId}"`)
  hold(join(stateDir, 'agent.lock'), `the state folder ${stateDir}`)
}

/** Node has no flock(2). What `flock` locks is the open file that it shares with this process, and stays so when it ends. */
function hold(path: string, whose: string): void {
  const file = openSync(path, 'a', 0o600)
  const { status, error, stderr } = spawnSync('flock', ['--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', file],
    encoding: 'utf8',
  })
  if (status === 0) return
  closeSync(file)
  const detail =
    status === 1
      ? `An agent for ${whose} runs already on this machine. Stop it first, or give this one another ARMADA_HOST_ID and ARMADA_STATE_DIR.`
      : `${path} cannot be locked with \`flock\`, which is part of util-linux: ${error?.message ?? stderr.trim()}.`
  throw new ArmadaError('conflict', detail, { cause: error })
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
