// What the ApiServer writes to ZooKeeper: tickets for the scheduler, stop jobs for workers. (Advice: hostNodes.ts.)
import { ArmadaError, messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { within } from '../../../shared/loop.ts'
import { decodeJobs, encodeJobs, isOldStop, isReadStop, type Job, jobKey } from '../../../shared/model/job.ts'
import { encodeTickets, type Ticket } from '../../../shared/model/ticket.ts'
import { traced } from '../../../shared/trace.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { Mailboxes } from '../../../shared/zookeeper/mailbox.ts'
import { paths } from '../../../shared/zookeeper/paths.ts'
import { QueueProducer } from '../../../shared/zookeeper/queue.ts'
import type { StoreWatch } from '../storeWatch.ts'

/** People wait for the answers: what is not queued by then goes on in the background. */
const askLimitMs = 1_500
const queueWaitMs = 4_000

export class Dispatch {
  #zk: ZooKeeper
  #tickets: QueueProducer<Ticket>
  #boxes: Mailboxes<Job>
  #limit: number
  #log: Log

  /** @param queueLimit entries in the scheduler queue past which new ships are refused. */
  constructor(zk: ZooKeeper, queueLimit: number, log: Log, watch: StoreWatch) {
    this.#zk = zk
    this.#limit = queueLimit
    this.#log = log
    this.#tickets = new QueueProducer<Ticket>(zk, paths.schedulerQueue, {
      maxNodes: queueLimit,
      encode: encodeTickets,
      prefix: 'e',
      onWritten: (tickets) => watch.ticketsWritten(tickets),
    })
    this.#boxes = new Mailboxes<Job>(zk, {
      pathOf: paths.workerQueue,
      ...{ encode: encodeJobs, decode: decodeJobs, keyOf: jobKey, log },
      // Start jobs are the scheduler's.
      keep: (job) => !isOldStop(job),
      spare: isReadStop,
    })
  }

  /**
   * Asks before ships are recorded whether their tickets will find room.
   * @throws ArmadaError queue_full or unavailable.
   */
  async assertRoom(): Promise<void> {
    if (this.#zk.state !== 'connected') {
      throw new ArmadaError(
        'unavailable',
        'ZooKeeper does not answer, so that ships cannot be queued. Nothing was changed; try again.',
        {
          retryAfterSeconds: 2,
        },
      )
    }
    const late = () => new Error(`no answer within ${askLimitMs} ms`)
    const depth = await within(this.#tickets.depth(), askLimitMs, late).catch((error) => {
      throw new ArmadaError(
        'unavailable',
        `ZooKeeper does not answer (${messageOf(error)}). Nothing was changed; try again.`,
        {
          cause: error,
          retryAfterSeconds: 2,
        },
      )
    })
    if (depth >= this.#limit) {
      throw new ArmadaError(
        'queue_full',
        `${depth} entries wait in the scheduler queue (limit ${this.#limit}). Try again later.`,
        {
          retryAfterSeconds: 5,
        },
      )
    }
  }

  /**
   * Queues the tickets of recorded ships. A failure is only logged: a controller finds Queued ships
   * without a ticket and queues them again.
   */
  async queueTickets(tickets: readonly Ticket[]): Promise<void> {
    if (tickets.length === 0) return
    const queued = this.#tickets.offer([...tickets]).catch((error) => {
      this.#log.warn(
        { error: messageOf(error), ships: tickets.length },
        'tickets could not be queued; the controllers will',
      )
    })
    await within(queued, queueWaitMs, () => new Error('goes on in the background')).catch(() => undefined)
  }

  /** Tells the workers to stop ships. A failure is only logged: the agents also learn it from their stream. */
  async stopShips(
    ships: readonly { id: string; attempt: number; host: string; traceId?: string }[],
  ): Promise<void> {
    const byHost = new Map<string, Job[]>()
    for (const { id, attempt, host, traceId } of ships) {
      const jobs = byHost.get(host) ?? []
      jobs.push({ kind: 'stop', ship: id, attempt, atMs: Date.now(), ...traced({ traceId }) })
      byHost.set(host, jobs)
    }
    await Promise.all(
      [...byHost].map(async ([host, jobs]) => {
        await this.#boxes.post(host, jobs).catch((error) => {
          this.#log.warn(
            { error: messageOf(error), host },
            'a stop job could not be written; the stream will tell',
          )
        })
      }),
    )
  }

  /** Entries in the scheduler queue; null when ZooKeeper does not answer. */
  async depth(): Promise<number | null> {
    return this.#tickets.depth().catch(() => null)
  }

  get connected(): boolean {
    return this.#zk.state === 'connected'
  }
}
