// A host's nodes in ZooKeeper, as far as the ApiServer writes them: the Advice, and the end of them all.
//
// INVARIANTS
// - Orders are read from etcd after the node's version is known, and the node is written at that version only:
//   a slow report never writes over an order that was acknowledged.
// - Nothing is written for a host without a record, so that the nodes of a removed host stay away.
import { ArmadaError, messageOf } from '../../shared/errors.ts'
import { backoffMs, sleep } from '../../shared/loop.ts'
import { Advice } from '../../shared/model/holding.ts'
import { type Host, ordersOf } from '../../shared/model/host.ts'
import type { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { isKeeper } from '../../shared/zookeeper/keeperError.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import type { Row } from './table.ts'

/** What an agent says of its host, and people do not. */
type Reported = Pick<Advice, 'degraded' | 'holdings'>

const conflictLimit = 20
/** An agent that is told of its removal needs about half a second to leave. */
const farewellMs = 3_000

export class HostNodes {
  #zk: ZooKeeper
  #read: (host: string) => Promise<Row<Host> | undefined>
  /** Versions that this ApiServer wrote: they spare a read as long as no other one writes. */
  #versions = new Map<string, number>()
  /** Orders that stand in the Advice, as this ApiServer last wrote or saw them. */
  #told = new Map<string, string>()

  /** @param read reads the host's record through to etcd. */
  constructor(zk: ZooKeeper, read: (host: string) => Promise<Row<Host> | undefined>) {
    this.#zk = zk
    this.#read = read
  }

  /** Tells the scheduler what occupies a host. */
  async report(host: string, reported: Reported): Promise<void> {
    await this.#write(host, () => reported, this.#versions.get(host))
  }

  /**
   * Tells the scheduler what people ordered.
   * @throws ArmadaError unavailable: the order stands, and the host's next report tells of it.
   */
  async order(host: string): Promise<void> {
    try {
      await this.#write(host, (before) => before)
    } catch (error) {
      throw new ArmadaError(
        'unavailable',
        `The order is recorded, but the scheduler could not be told yet (${messageOf(error)}): ships may still come. It is told with the host's next report, or send the same again.`,
        { cause: error, retryAfterSeconds: 2 },
      )
    }
  }

  /** Tells of orders that the scheduler may not have heard of: whoever took them died, or ZooKeeper was away. */
  async catchUp({ value }: Row<Host>): Promise<void> {
    if (!value.orders || this.#told.get(value.id) === textOf(value)) return
    await this.#write(value.id, (before) => before)
  }

  /** Removes all nodes of a host, its agent's farewell first. @returns whether there were any. */
  async remove(host: string): Promise<boolean> {
    const zk = this.#zk
    const endMs = performance.now() + farewellMs
    while ((await zk.exists(paths.workerPresence(host))) && performance.now() < endMs) await sleep(100)
    let found = false
    for (let tries = 1; ; tries++) {
      try {
        const queue = paths.workerQueue(host)
        const jobs = ((await zk.children(queue)) ?? []).map((name) => `${queue}/${name}`)
        for (const path of [...jobs, queue, paths.workerPresence(host)]) await zk.delete(path)
        for (const path of [paths.worker(host), paths.advisor(host)]) found = (await zk.delete(path)) || found
        this.#versions.delete(host)
        this.#told.delete(host)
        return found
      } catch (error) {
        if (!isKeeper(error, 'not_empty') || tries === conflictLimit) throw error
      }
    }
  }

  /** @param known the node's version, if `next` needs not know what stands in it. */
  async #write(
    host: string,
    next: (before: Reported) => Reported,
    known?: number | undefined,
  ): Promise<void> {
    let version = known
    for (let tries = 0; tries < conflictLimit; tries++) {
      let before: Reported = { degraded: null, holdings: [] }
      if (version === undefined) {
        const found = await this.#zk.get(paths.advisor(host))
        version = found?.stat.version
        if (found?.data.length) {
          const read = readAdvice(found.data)
          // A host whose advice cannot be read takes no ships, until its agent reports.
          if (!read && next(before) === before) return
          before = read ?? before
        }
      }
      const row = await this.#read(host)
      if (!row) return
      try {
        if (version === undefined) await this.#zk.ensurePath(paths.advisor(host))
        const { degraded, holdings } = next(before)
        const { cordon, labels } = ordersOf(row.value)
        const cordoned = cordon && (cordon.reason || `by ${cordon.by}`)
        const advice: Advice = { v: 1, degraded, cordoned, labels, holdings }
        const written = await this.#zk.set(paths.advisor(host), JSON.stringify(advice), version ?? 0)
        this.#versions.set(host, written.version)
        this.#told.set(host, textOf(row.value))
        return
      } catch (error) {
        if (!isKeeper(error, 'bad_version', 'no_node')) throw error
        version = undefined
        // A report can wait; an order, for which a person waits, goes first.
        if (known !== undefined) await sleep(backoffMs(tries, 5, 40))
      }
    }
    throw new ArmadaError('unavailable', `The advice on host ${host} keeps changing. Try again.`, {
      retryAfterSeconds: 1,
    })
  }
}

function textOf(host: Host): string {
  return JSON.stringify(ordersOf(host))
}

function readAdvice(data: Buffer): Advice | undefined {
  try {
    return Advice.parse(JSON.parse(data.toString()))
  } catch {
    return undefined
  }
}
