// The three stores that Armada stands on, started together: ZooKeeper, etcd and Redis.
import { join } from 'node:path'
import { ArmadaError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { startEtcd } from './etcd.ts'
import { isListening } from './listening.ts'
import { startRedis } from './redis.ts'
import { foreignServer, type Server } from './server.ts'
import { startZooKeeper } from './zookeeper.ts'

/**
 * durable: every acknowledged write is on disk, a server that dies is started again, and one left over from
 * a killed run is used on. fast: no syncing, small, and gone with this process.
 */
export type Profile = 'durable' | 'fast'

export interface StackOptions {
  /** Holds one folder a server. */
  dir: string
  profile: Profile
  /** Servers that run already: these are used and never started or stopped. */
  addresses?: { zookeeper?: string | undefined; etcd?: string | undefined; redis?: string | undefined }
  sessionTickMs?: number
  /** Told when a server ended by itself and is started again. */
  onRevive?: (told: string) => void
  log: Log
}

export interface Stack {
  readonly zookeeper: Server
  readonly etcd: Server
  readonly redis: Server
  stop(): Promise<void>
}

/** Starts what has no address yet, all at once; resolves when all three answer. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { dir, profile, addresses = {}, sessionTickMs = 500, onRevive, log } = options
  const durable = profile === 'durable'
  const common = { log, revive: durable && (onRevive ?? true), endWithParent: !durable }
  const own = {
    zookeeper: () =>
      startZooKeeper({
        ...common,
        dir: join(dir, 'zookeeper'),
        fsync: durable,
        sessionTickMs,
        heapMiB: durable ? 512 : 256,
      }),
    etcd: () => startEtcd({ ...common, dir: join(dir, 'etcd') }),
    redis: () => startRedis({ ...common, dir: join(dir, 'redis'), fsync: durable }),
  }
  const started = await Promise.allSettled([
    addresses.zookeeper === undefined ? own.zookeeper() : foreign('zookeeper', addresses.zookeeper),
    addresses.etcd === undefined ? own.etcd() : foreign('etcd', addresses.etcd),
    addresses.redis === undefined ? own.redis() : foreign('redis', addresses.redis),
  ])
  const [zookeeper, etcd, redis] = started.map((one) => (one.status === 'fulfilled' ? one.value : undefined))
  const stop = async (): Promise<void> => {
    await Promise.all([zookeeper?.stop(), etcd?.stop(), redis?.stop()])
  }
  if (zookeeper === undefined || etcd === undefined || redis === undefined) {
    await stop()
    throw started.find((one) => one.status === 'rejected')?.reason
  }
  return { zookeeper, etcd, redis, stop }
}

/** Takes a given address as it is once something listens there. */
async function foreign(name: string, address: string): Promise<Server> {
  const first = address.replace(/^[a-z]+:\/\//, '').split(',')[0] ?? ''
  const [, host = 'localhost', given] = /^(?:[^@/]*@)?\[?([^\]/]*?)\]?:(\d+)(?:\/.*)?$/.exec(first) ?? []
  const port = Number(given)
  if (!(port > 0 && (await isListening({ host, port }, 3_000)))) {
    const setting = `ARMADA_${name.toUpperCase()}`
    throw new ArmadaError(
      'unavailable',
      `nothing answers at ${address}, which ${setting} names. Start that server, correct the address, or unset ${setting} to have one started here.`,
    )
  }
  return foreignServer(name, address)
}
