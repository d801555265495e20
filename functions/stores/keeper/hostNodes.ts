// A host's nodes in ZooKeeper, as far as the ApiServer writes them: the Advice, and the end of them all.
//
// INVARIANTS
// - Orders are read from etcd after the node's version is known, and the node is written at that version only:
//   a slow report never writes over an order that was acknowledged.
// - What frees room is written at once. Ships that boarded as they were placed are not: the scheduler counts
//   them since it placed them. They go along with the next write, or when many of them are unsaid.
// - Nothing is written for a host without a record, so that the nodes of a removed host stay away.
import { ArmadaError, messageOf } from '../../../shared/errors.ts'
import { backoffMs, sleep } from '../../../shared/loop.ts'
import { Advice, type Holding } from '../../../shared/model/holding.ts'
import { type Host, ordersOf } from '../../../shared/model/host.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { isKeeper } from '../../../shared/zookeeper/keeperError.ts'
import { paths } from '../../../shared/zookeeper/paths.ts'
import type { Row } from '../mirror/table.ts'
import { merged, type Said, type Told, tellsMore } from './advice.ts'

interface Known {
  version: number
  told: Told
  /** The orders that stand in it. */
  orders: string
}

const conflictLimit = 20
/** An agent that is told of its removal needs about half a second to leave. */
const farewellMs = 3_000

const nothing: Told = Object.freeze({ degraded: null, holdings: [], ended: [] })

export class HostNodes {
  #zk: ZooKeeper
  #read: (host: string) => Promise<Row<Host> | undefined>
  /** The Advice as this ApiServer last wrote or saw it: spares a read as long as no other one writes. */
  #known = new Map<string, Known>()

  /** @param read reads the host's record through to etcd. */
  constructor(zk: ZooKeeper, read: (host: string) => Promise<Row<Host> | undefined>) {
    this.#zk = zk
    this.#read = read
  }

  /** Tells the scheduler what occupies a host, if it matters to it. */
  async report(host: string, said: Said): Promise<void> {
    const known = this.#known.get(host)
    if (known && !said.anew && !tellsMore(known.told, said)) return
    await this.#write(
      host,
      (before) => (before && !tellsMore(before, said) ? undefined : merged(before ?? nothing, said)),
      { known: said.anew ? undefined : known, patient: true },
    )
  }

  /** Tells the scheduler of ships that are elsewhere, or on other ports, than it believes. */
  async show(host: string, holdings: readonly Holding[]): Promise<void> {
    const ships = new Set(holdings.map(({ ship }) => ship))
    await this.#write(host, (before = nothing) => ({
      ...before,
      holdings: [...before.holdings.filter(({ ship }) => !ships.has(ship)), ...holdings],
    }))
  }

  /**
   * Tells the scheduler what people ordered.
   * @throws ArmadaError unavailable: the order stands, and the host's next report tells of it.
   */
  async order(host: string): Promise<void> {
    try {
      await this.#write(host, (before = nothing) => before)
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
    if (!value.orders || this.#known.get(value.id)?.orders === textOf(value)) return
    await this.#write(value.id, (before = nothing) => before)
  }

  /** Removes all nodes of a host, its agent's farewell first. @returns whether there were any. */
  async remove(host: string): Promise<boolean> {
    const zk = this.#zk
    const endMs = performance.now() + farewellMs
    while ((await zk.exists(paths.workerPresence(host))) && performance.now() < endMs) await sleep(100)
    let found = false
    for (let tries = 1; ; tries++) {
      try {
        for (const path of [paths.workerQueue(host), paths.workerPresence(host)]) await zk.delete(path)
        for (const path of [paths.worker(host), paths.advisor(host)]) found = (await zk.delete(path)) || found
        this.#known.delete(host)
        return found
      } catch (error) {
        if (!isKeeper(error, 'not_empty') || tries === conflictLimit) throw error
      }
    }
  }

  /**
   * @param next what is to stand in the Advice; undefined when there is no need to write. It gets what stands
   * there, undefined when there is none or it cannot be read.
   * @param known spares the read.
   * @param patient lets others go first: a report can wait; for an order a person waits.
   */
  async #write(
    host: string,
    next: (before: Told | undefined) => Told | undefined,
    { known, patient = false }: { known?: Known | undefined; patient?: boolean } = {},
  ): Promise<void> {
    const path = paths.advisor(host)
    let version = known?.version
    let before = known?.told
    for (let tries = 0; tries < conflictLimit; tries++) {
      if (version === undefined) {
        const found = await this.#zk.get(path)
        version = found?.stat.version
        const advice = found?.data.length ? readAdvice(found.data) : undefined
        // A host whose advice cannot be read takes no ships, until its agent reports.
        if (found?.data.length && !advice && next(nothing) === nothing) return
        before = advice && toldIn(advice)
        if (found && before) this.#known.set(host, { version: found.stat.version, told: before, orders: '' })
      }
      const told = next(before)
      if (!told) return
      const row = await this.#read(host)
      if (!row) return
      try {
        if (version === undefined) await this.#zk.ensurePath(path)
        const { cordon, labels } = ordersOf(row.value)
        const cordoned = cordon && (cordon.reason || `by ${cordon.by}`)
        const advice: Advice = { v: 1, cordoned, labels, ...told }
        const written = await this.#zk.set(path, JSON.stringify(advice), version ?? 0)
        this.#known.set(host, { version: written.version, told, orders: textOf(row.value) })
        return
      } catch (error) {
        if (!isKeeper(error, 'bad_version', 'no_node')) throw error
        version = undefined
        if (patient) await sleep(backoffMs(tries, 5, 40))
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

function toldIn({ degraded, holdings, ended }: Advice): Told {
  return { degraded, holdings, ended }
}

function readAdvice(data: Buffer): Advice | undefined {
  try {
    return Advice.parse(JSON.parse(data.toString()))
  } catch {
    return undefined
  }
}
