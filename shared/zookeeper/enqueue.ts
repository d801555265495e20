// Writing one entry into a queue, and finding out whether it is there when the answer got lost.
//
// On suspended and on lost: waits for the connection, up to the limit, then looks before it writes again.
import { randomUUID } from 'node:crypto'
import { ArmadaError, messageOf } from '../errors.ts'
import { backoffMs, sleep } from '../loop.ts'
import type { ZooKeeper } from './client.ts'
import { isKeeper, isPassing, KeeperError } from './keeperError.ts'

export interface EnqueueOptions {
  signal?: AbortSignal
  /** Default 10 s. */
  limitMs?: number
  /** Creates the path when it is missing. Without it, KeeperError `no_node` tells that nobody has that queue. */
  ensurePath?: boolean
}

/** The number that ZooKeeper appended to the name of a sequential node. */
export function sequenceOf(name: string): number {
  return Number(name.slice(-10))
}

/**
 * Creates `{path}/{prefix}{guid}-{sequence}` and returns its name.
 * Keeps nothing between calls, so that one process can write to thousands of queues.
 * @throws ArmadaError `unavailable`, whose text says whether the entry may have been written.
 */
export async function enqueue(
  zk: ZooKeeper,
  path: string,
  prefix: string,
  data: Buffer | string,
  { signal, limitMs = 10_000, ensurePath = false }: EnqueueOptions = {},
): Promise<string> {
  const stem = `${prefix}${randomUUID().replaceAll('-', '').slice(0, 20)}-`
  const endMs = performance.now() + limitMs
  let unsettled = false
  for (let attempt = 0; ; attempt++) {
    try {
      if (attempt > 0) await zk.connected(signal, Math.max(1, endMs - performance.now()))
      const found = unsettled ? await find(zk, path, stem) : undefined
      if (found) return found
      unsettled = false
      return (await zk.create(`${path}/${stem}`, data, 'persistent_sequential')).slice(path.length + 1)
    } catch (error) {
      if (ensurePath && isKeeper(error, 'no_node')) {
        await zk.ensurePath(path).catch((reason: unknown) => {
          if (!isPassing(reason)) throw reason
        })
      } else if (!isPassing(error) && !(error instanceof ArmadaError)) throw error
      unsettled ||= error instanceof KeeperError && error.unknown
      signal?.throwIfAborted()
      if (performance.now() >= endMs) throw unavailable(path, limitMs, unsettled, error)
      if (zk.state === 'connected') await sleep(backoffMs(attempt, 20, 1_000), signal)
    }
  }
}

async function find(zk: ZooKeeper, path: string, stem: string): Promise<string | undefined> {
  await zk.sync(path)
  return (await zk.children(path))?.find((name) => name.startsWith(stem))
}

function unavailable(path: string, limitMs: number, unknown: boolean, cause: unknown): ArmadaError {
  const written = unknown ? 'it is unknown whether the entry was written' : 'nothing was written'
  const detail = `ZooKeeper could not settle an entry of ${path} within ${limitMs} ms (${messageOf(cause)}); ${written}.`
  return new ArmadaError('unavailable', detail, { cause, retryAfterSeconds: 2 })
}
