// Dispatch: what a decision writes to ZooKeeper, in the order in which nothing can get lost.
//
// First the jobs, then the tickets that go on waiting, last the removal of the nodes they came from. A leader
// that dies in between leaves doubles, which claims make harmless, and never a gap.
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import type { Job, StartJob } from '../../../shared/model/job.ts'
import { encodeTickets, type Ticket } from '../../../shared/model/ticket.ts'
import { traced } from '../../../shared/trace.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { enqueue } from '../../../shared/zookeeper/enqueue.ts'
import type { Mailboxes } from '../../../shared/zookeeper/mailbox.ts'
import { paths } from '../../../shared/zookeeper/paths.ts'
import { each } from '../../../shared/zookeeper/persistence.ts'
import type { Placed } from './place.ts'

const requestsInFlight = 64
const jobsAtOnce = 1_000
const ticketsInNode = 1_000
const bytesInNode = 200 * 1024

export interface Writer {
  zk: ZooKeeper
  signal: AbortSignal
  log: Log
}

/** Puts a start job for every placement into its host's box. Returns the placements that could not be written. */
export async function writeJobs(
  placed: readonly Placed[],
  boxes: Mailboxes<Job>,
  { signal, log }: Writer,
): Promise<Placed[]> {
  const byHost = new Map<string, Placed[]>()
  for (const one of placed) {
    const others = byHost.get(one.host)
    if (others) others.push(one)
    else byHost.set(one.host, [one])
  }
  const failed = await each([...byHost], requestsInFlight, async ([host, all]) => {
    const unwritten: Placed[] = []
    for (const part of split(all, jobsAtOnce)) {
      try {
        await boxes.post(host, part.map(startJob), signal)
      } catch (error) {
        unwritten.push(...part)
        if (signal.aborted) continue
        const fields = { host, ships: part.length, error: messageOf(error) }
        log.warn(fields, 'jobs could not be written; their ships are placed anew')
      }
    }
    return unwritten
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

function startJob({ entry, ports }: Placed): StartJob {
  const { ship, attempt, demand } = entry.ticket
  const { fleet, resources } = demand
  return { kind: 'start', ship, attempt, ports, fleet, resources, ...traced(entry.ticket) }
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
