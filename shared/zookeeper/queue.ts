// A queue of batches in sequential nodes: producers that commit in groups, a consumer that hands over.
//
// On suspended: offers wait, up to their limit; a create whose answer was lost is looked up by the guid in
// its name before it is written again. Hand-over pauses. On lost: the same; entries are persistent.
// Exactly once from producer to tree, but for one case: an entry whose answer was lost, and which a consumer
// took and removed before the producer looked, is written again. So whoever acts on an entry makes doubles
// harmless (ours do, by the attempt). After `unavailable` an entry may still turn up.
import { ArmadaError, messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { sleep } from '../loop.ts'
import type { ZooKeeper } from './client.ts'
import { enqueue, sequenceOf } from './enqueue.ts'
import { GroupCommit } from './groupCommit.ts'
import { each, persistently } from './persistence.ts'
import { readings } from './watch.ts'

export { enqueue } from './enqueue.ts'

export interface ProducerOptions<T> {
  /** Most entries (nodes) in the queue; past them offers are refused with `queue_full`. */
  maxNodes?: number
  /** Most items in one node. */
  maxItems?: number
  /** Most bytes in one node. */
  maxBytes?: number
  /** Waits so long for company before the first create of a group. */
  lingerMs?: number
  /** Longest wait of an offer for its being durable. */
  limitMs?: number
  encode?: (items: T[]) => Buffer | string
  /** Hears of every node that was written, and how many items it holds. */
  onWritten?: (items: number) => void
  /** Beginning of the nodes' names. */
  prefix?: string
}

export class QueueProducer<T> {
  readonly #zk: ZooKeeper
  readonly #path: string
  readonly #options: Required<Omit<ProducerOptions<T>, 'encode'>>
  readonly #group: GroupCommit<T>
  #pumping = false
  #known: { depth: number; created: number; atMs: number } | undefined
  #created = 0
  #asking: Promise<void> | undefined

  constructor(zk: ZooKeeper, path: string, options: ProducerOptions<T> = {}) {
    const {
      maxNodes = 2_000,
      maxItems = 1_000,
      maxBytes = 256 * 1024,
      lingerMs = 0,
      limitMs = 10_000,
    } = options
    const { encode = JSON.stringify, prefix = 'e-', onWritten = () => undefined } = options
    this.#zk = zk
    this.#path = path
    this.#options = { maxNodes, maxItems, maxBytes, lingerMs, limitMs, prefix, onWritten }
    this.#group = new GroupCommit({
      ...{ maxItems, maxBytes, limitMs, encode },
      late: (begun) => late(path, limitMs, begun),
      tooLarge: (bytes) => tooLarge(bytes, maxBytes),
    })
  }

  /**
   * Resolves when all items are durable. Offers that come while a create is under way share the next one.
   * @throws ArmadaError `queue_full`, before anything is written; `unavailable` after `limitMs`, which says
   * whether something may have been written; `invalid_request` for an item that no node can hold.
   */
  async offer(items: readonly T[]): Promise<void> {
    if (items.length === 0) return
    const { maxNodes, maxItems } = this.#options
    const wanted = () => this.#depthAtMost() + Math.ceil((this.#group.waitingItems + items.length) / maxItems)
    if (wanted() > maxNodes) await this.#ask()
    if (wanted() > maxNodes) throw full(this.#path, maxNodes)
    const written = this.#group.add(items)
    if (!this.#pumping) void this.#pump()
    await written
  }

  /** Entries in the queue, asked for at most every 500 ms, with those written since then. */
  async depth(): Promise<number> {
    await this.#ask()
    return this.#depthAtMost()
  }

  /** Writes one node after another while items wait. Never rejects. */
  async #pump(): Promise<void> {
    const { lingerMs, limitMs, prefix, onWritten } = this.#options
    this.#pumping = true
    if (lingerMs > 0) await sleep(lingerMs)
    for (let batch = this.#group.take(); batch; batch = this.#group.take()) {
      try {
        const how = { limitMs, ensurePath: true }
        const name = await enqueue(this.#zk, this.#path, prefix, batch.data, how)
        this.#created = sequenceOf(name) + 1
        onWritten(batch.size)
        batch.settle()
      } catch (error) {
        batch.settle(error)
      }
    }
    this.#pumping = false
  }

  /**
   * A sequence number counts all creates in the queue, by anybody. So our latest one tells by how much the
   * queue can have grown since we asked, and asking again is only needed near the bound.
   */
  #depthAtMost(): number {
    if (!this.#known || this.#created < this.#known.created) return this.#known?.depth ?? Infinity
    return this.#known.depth + this.#created - this.#known.created
  }

  async #ask(): Promise<void> {
    if (this.#known && performance.now() - this.#known.atMs < 500) return
    this.#asking ??= persistently(this.#zk, this.#options, () => this.#zk.exists(this.#path))
      .then((stat) => {
        const { cversion = 0, numChildren = 0 } = stat ?? {}
        // ZooKeeper shows twice the number of creates less the children that are left.
        this.#created = (cversion + numChildren) / 2
        this.#known = { depth: numChildren, created: this.#created, atMs: performance.now() }
      })
      .finally(() => {
        this.#asking = undefined
      })
    await this.#asking
  }
}

export interface Entry<T> {
  name: string
  items: T[]
}

const readsAtOnce = 64

export interface ConsumerOptions<T> {
  decode: (data: Buffer) => T[]
  log: Log
  /** Most entries handed over at once. */
  maxEntries?: number
}

export class QueueConsumer<T> {
  readonly #zk: ZooKeeper
  readonly #path: string
  readonly #options: Required<ConsumerOptions<T>>
  readonly #removals = new Set<Promise<unknown>>()

  constructor(zk: ZooKeeper, path: string, options: ConsumerOptions<T>) {
    this.#zk = zk
    this.#path = path
    this.#options = { maxEntries: 500, ...options }
  }

  /**
   * Hands each entry over once, oldest first; it stays in the queue until it is removed. A new call begins
   * anew with all that is there. Ends with the signal. An entry that cannot be decoded is removed and logged.
   */
  async *entries(signal: AbortSignal): AsyncGenerator<Entry<T>[]> {
    const { maxEntries } = this.#options
    const handed = new Set<string>()
    for await (const names of readings(this.#zk, this.#path, signal, () => this.#list())) {
      const present = new Set(names)
      for (const name of handed) if (!present.has(name)) handed.delete(name)
      const fresh = names.filter((name) => !handed.has(name)).sort((a, b) => sequenceOf(a) - sequenceOf(b))
      let next = 0
      while (next < fresh.length && !signal.aborted) {
        // The first of a heap are at hand soon.
        const part = fresh.slice(next, next + (next === 0 ? Math.min(readsAtOnce, maxEntries) : maxEntries))
        next += part.length
        const read = await each(part, readsAtOnce, (name) => this.#read(name, signal)).catch(
          (error: unknown) => {
            if (!signal.aborted) throw error
          },
        )
        if (!read || signal.aborted) return
        for (const name of part) handed.add(name)
        const entries = read.filter((entry) => entry !== undefined)
        if (entries.length > 0) yield entries
      }
    }
  }

  /** Removes entries; those that are gone already are fine. @throws ArmadaError `unavailable` after 30 s. */
  async remove(names: readonly string[], signal?: AbortSignal): Promise<void> {
    const patience = { signal, limitMs: 30_000 }
    const removal = each(names, 32, (name) =>
      persistently(this.#zk, patience, () => this.#zk.delete(`${this.#path}/${name}`)),
    )
    this.#removals.add(removal)
    await removal.finally(() => this.#removals.delete(removal))
  }

  /** Waits for removals under way, because each would ring once more. */
  async #list(): Promise<string[]> {
    await Promise.allSettled(this.#removals)
    return (await this.#zk.children(this.#path, true)) ?? []
  }

  async #read(name: string, signal: AbortSignal): Promise<Entry<T> | undefined> {
    const found = await persistently(this.#zk, { signal }, () => this.#zk.get(`${this.#path}/${name}`))
    if (!found) return undefined
    try {
      return { name, items: this.#options.decode(found.data) }
    } catch (error) {
      const fields = { path: this.#path, entry: name, bytes: found.data.length, error: messageOf(error) }
      this.#options.log.error(fields, 'an entry cannot be decoded and is removed')
      await this.remove([name], signal)
      return undefined
    }
  }
}

function full(path: string, maxNodes: number): ArmadaError {
  const detail = `The queue ${path} holds its ${maxNodes} entries. Nothing was written; try again in a moment.`
  return new ArmadaError('queue_full', detail, { retryAfterSeconds: 2 })
}

function late(path: string, limitMs: number, begun: boolean): ArmadaError {
  const written = begun ? 'it is unknown whether all of it was written' : 'nothing of it was written'
  const detail = `The queue ${path} took no more within ${limitMs} ms; ${written}.`
  return new ArmadaError('unavailable', detail, { retryAfterSeconds: 2 })
}

function tooLarge(bytes: number, maxBytes: number): ArmadaError {
  return new ArmadaError(
    'invalid_request',
    `One entry takes ${bytes} bytes; a node of the queue holds ${maxBytes}.`,
  )
}
