// Dispatch: what a decision writes to ZooKeeper, in the order in which nothing can get lost.
//
// First the jobs, then the tickets that go on waiting, last the removal of the nodes they came from. A leader
// that dies in between leaves doubles, which claims make harmless, and never a gap.
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { encodeJobs, type Job } from '../../../shared/model/job.ts'
import { encodeTickets, type Ticket } from '../../../shared/model/ticket.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { enqueue } from '../../../shared/zookeeper/enqueue.ts'
import { paths } from '../../../shared/zookeeper/paths.ts'
import { each } from '../../../shared/zookeeper/persistence.ts'
import type { Placed } from './decide.ts'

const requestsInFlight = 64
const jobsInNode = 500
const ticketsInNode = 1_000
const bytesInNode = 200 * 1024

export interface Writer {
  zk: ZooKeeper
  signal: AbortSignal
  log: Log
}

/** Writes a start job for every placement, one node a host. Returns the placements that could not be written. */
export async function writeJobs(placed: readonly Placed[], { zk, signal, log }: Writer): Promise<Placed[]> {
  const byHost = new Map<string, Placed[]>()
  for (const one of placed) {
    const others = byHost.get(one.host)
    if (others) others.push(one)
    else byHost.set(one.host, [one])
  }
  const batches = [...byHost].flatMap(([host, all]) => split(all, jobsInNode).map((part) => ({ host, part })))
  const failed = await each(batches, requestsInFlight, async ({ host, part }) => {
    try {
      await enqueue(zk, paths.workerQueue(host), 'j-', encodeJobs(part.map(startJob)), {
        signal,
        limitMs: 5_000,
      })
      return []
    } catch (error) {
      if (!signal.aborted) {
        const fields = { host, ships: part.length, error: messageOf(error) }
        log.warn(fields, 'jobs could not be written; their ships are placed anew')
      }
      return part
    }
  })
  return failed.flat()
}

/** Writes tickets into the scheduler queue. Returns the nodes, each with the tickets that stand in it. */
export async function writeTickets<T extends { ticket: Ticket }>(
  waiting: readonly T[],
  { zk, signal }: Writer,
): Promise<{ name: string; part: readonly T[] }[]> {
  const parts = split(waiting, ticketsInNode).flatMap(fitting)
  return each(parts, requestsInFlight, async ({ part, data }) => ({
    name: await enqueue(zk, paths.schedulerQueue, 'e-', data, { signal }),
    part,
  }))
}

function startJob({ entry, ports }: Placed): Job {
  return { kind: 'start', ship: entry.ticket.ship, attempt: entry.ticket.attempt, ports }
}

/** Halves the tickets until each part fits into a node. */
function fitting<T extends { ticket: Ticket }>(part: readonly T[]): { part: readonly T[]; data: Buffer }[] {
  const data = encodeTickets(part.map(({ ticket }) => ticket))
  if (data.length <= bytesInNode || part.length === 1) return [{ part, data }]
  return split(part, Math.ceil(part.length / 2)).flatMap(fitting)
}

function split<T>(all: readonly T[], size: number): T[][] {
  const parts: T[][] = []
  for (let i = 0; i < all.length; i += size) parts.push(all.slice(i, i + size))
  return parts
}
