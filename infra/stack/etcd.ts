// etcd for one machine: a single member on loopback.
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../shared/log.ts'
import { livingMark } from './leftover.ts'
import { keptPorts } from './port.ts'
import { type Revive, startServer } from './process.ts'
import type { Server } from './server.ts'

export interface EtcdOptions {
  /** Folder of its data; the same folder brings the data back. Without fsync put it in memory (`scratchDir`). */
  dir: string
  ports?: { client: number; peer: number }
  /** Told to keep up to this much; past it etcd raises its NOSPACE alarm. Default 8 GiB. */
  quotaBytes?: number
  endWithParent?: boolean
  revive?: Revive
  log: Log
}

/**
 * Starts etcd on loopback; `address` is an `http://` URL. It always syncs its log to the disk it is given:
 * the versions in Debian and Ubuntu know no way without, so tests save the time with a folder in memory.
 */
export async function startEtcd(options: EtcdOptions): Promise<Server> {
  const { dir, quotaBytes = 8 * 1024 ** 3, endWithParent = false, revive = false, log } = options
  const ports = options.ports ?? (await keptPorts(dir, ['client', 'peer'], livingMark(dir) !== undefined))
  const client = `http://127.0.0.1:${ports.client}`
  const peer = `http://127.0.0.1:${ports.peer}`
  const data = join(dir, 'data')
  mkdirSync(data, { recursive: true })
  chmodSync(data, 0o700)
  return await startServer({
    name: 'etcd',
    dir,
    command: 'etcd',
    args: [
      ...['--name', 'armada', '--data-dir', data],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `armada=${peer}`],
      ...['--heartbeat-interval', '50', '--election-timeout', '300'],
      ...['--auto-compaction-mode', 'periodic', '--auto-compaction-retention', '30m'],
      ...['--quota-backend-bytes', String(quotaBytes)],
      ...['--logger', 'zap', '--log-level', 'warn'],
    ],
    // Debian's etcd refuses some processors, arm64 among them, unless it is told that this is meant.
    env: { ETCD_UNSUPPORTED_ARCH: process.arch },
    address: client,
    answers: () => isHealthy(client),
    endWithParent,
    revive,
    log,
  })
}

async function isHealthy(client: string): Promise<boolean> {
  const response = await fetch(`${client}/health`, { signal: AbortSignal.timeout(300) })
  const { health } = (await response.json()) as { health?: unknown }
  return String(health) === 'true'
}
