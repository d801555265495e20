// ZooKeeper's tree as the tests write and read it: hosts that exist only there, tickets, jobs.
import { randomUUID } from 'node:crypto'
import type { Log } from '../../../shared/log.ts'
import { createLog } from '../../../shared/log.ts'
import type { Advice, Holding } from '../../../shared/model/holding.ts'
import type { HostDescription } from '../../../shared/model/host.ts'
import { decodeJobs, type Job } from '../../../shared/model/job.ts'
import { Placement } from '../../../shared/model/placement.ts'
import { PortRequest } from '../../../shared/model/port.ts'
import { type Demand, encodeTickets, type Ticket } from '../../../shared/model/ticket.ts'
import { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { enqueue } from '../../../shared/zookeeper/enqueue.ts'
import { paths, roots } from '../../../shared/zookeeper/paths.ts'
import { ZooKeeperServer } from '../../harness/zookeeper.ts'

export const quiet: Log = createLog('test', process.env.ARMADA_LOG ?? 'silent')

export function hostNamed(id: string, change: Partial<HostDescription> = {}): HostDescription {
  return {
    id,
    address: '10.0.0.1',
    capacity: { cpuMillis: 64_000, memoryMiB: 65_536 },
    ports: { from: 7_000, to: 7_999 },
    labels: {},
    taints: [],
    agentVersion: 'test',
    ...change,
  }
}

export function demand(change: Partial<Omit<Demand, 'placement'>> & { placement?: unknown } = {}): Demand {
  const { placement, ...rest } = change
  return {
    resources: { cpuMillis: 500, memoryMiB: 512 },
    ports: [PortRequest.parse({ name: 'game', containerPort: 7_777 })],
    fleet: null,
    placement: Placement.parse(placement ?? {}),
    ...rest,
  }
}

export function ticket(ship: string, change: Partial<Ticket> = {}): Ticket {
  return { ship, attempt: 1, priority: 50, demand: demand(), avoidHosts: [], notBeforeMs: 0, ...change }
}

export class Tree {
  readonly zk: ZooKeeper

  private constructor(zk: ZooKeeper) {
    this.zk = zk
  }

  /** Opens a tree of its own on the server. */
  static async open(server: ZooKeeperServer): Promise<{ tree: Tree; address: string }> {
    const address = `${server.address}/${randomUUID().slice(0, 8)}`
    const zk = await ZooKeeper.connect({ servers: address, log: quiet, sessionTimeoutMs: 4_000 })
    for (const root of roots) await zk.ensurePath(root)
    return { tree: new Tree(zk), address }
  }

  async join(host: HostDescription): Promise<void> {
    await this.zk.ensurePath(paths.workerQueue(host.id))
    await this.zk.set(paths.worker(host.id), JSON.stringify(host))
    await this.zk.create(paths.workerPresence(host.id), '', 'ephemeral')
  }

  async leave(host: string): Promise<void> {
    await this.zk.delete(paths.workerPresence(host))
  }

  async advise(
    host: string,
    holdings: Holding[],
    degraded: string | null = null,
    ended: Advice['ended'] = [],
  ): Promise<void> {
    const path = paths.advisor(host)
    await this.zk.ensurePath(path)
    await this.zk.set(path, JSON.stringify({ v: 1, degraded, holdings, ended }))
  }

  queue(tickets: readonly Ticket[]): Promise<string> {
    return enqueue(this.zk, paths.schedulerQueue, 'e-', encodeTickets(tickets))
  }

  async queued(): Promise<string[]> {
    return (await this.zk.children(paths.schedulerQueue)) ?? []
  }

  /** All jobs in the boxes of these hosts. */
  async jobs(hosts: readonly string[]): Promise<(Job & { host: string })[]> {
    const perHost = await Promise.all(
      hosts.map(async (host) => {
        const box = await this.zk.get(paths.workerQueue(host))
        return (box ? decodeJobs(box.data) : []).map((job) => ({ ...job, host }))
      }),
    )
    return perHost.flat()
  }
}

export { ZooKeeperServer }
