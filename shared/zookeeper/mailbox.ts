// A mailbox: one node whose value is a list of items, written by a few and watched by its one reader.
//
// Costs one set a batch while nobody else writes to it, and one get of the reader: a queue of sequential nodes
// takes five. The reader removes nothing; a writer leaves out what is of no further use when it writes next.
//
// On suspended: posts wait, up to their limit; the reader yields nothing. A set whose answer was lost is looked
// for before it is written again, and each set is for the version it was made from: nothing that somebody else
// wrote is lost, and nothing is written twice. On lost: the same; the node is persistent, and the reader reads
// it again with the new session. After `unavailable` the items may still turn up.
// A reader gets each item at least once: one that begins anew gets all that is there.

import { ArmadaError, messageOf } from '../errors.ts'
import { forgetOldest } from '../forget.ts'
import type { Log } from '../log.ts'
import { backoffMs, sleep } from '../loop.ts'
import type { ZooKeeper } from './client.ts'
import { isKeeper, isPassing, KeeperError } from './keeperError.ts'
import { persistently } from './persistence.ts'
import { watchValue } from './watch.ts'

interface Format<T> {
  encode: (items: readonly T[]) => Buffer
  /** Throws when the bytes are no items. */
  decode: (data: Buffer) => T[]
  /** Items of one key are one item; the later one replaces the earlier. */
  keyOf: (item: T) => string
  log: Log
}

export interface MailboxesOptions<T> extends Format<T> {
  pathOf: (id: string) => string
  /** Whether an item that is there is still of use. */
  keep: (item: T, id: string) => boolean
  /** Whether an item that is of use may go all the same, to make room. Default: none. */
  spare?: (item: T) => boolean
  /** Most bytes in one mailbox; past them posts are refused with `queue_full`. */
  maxBytes?: number
  /** Longest wait of a post for its being durable. */
  limitMs?: number
  /** Mailboxes whose content is remembered, which spares a get. */
  remembered?: number
}

interface Content<T> {
  version: number
  items: readonly T[]
}

interface Letter<T> {
  items: T[]
  sent: Promise<void>
}

/** The mailboxes that one process writes to. */
export class Mailboxes<T> {
  readonly #zk: ZooKeeper
  readonly #options: Required<MailboxesOptions<T>>
  /** As they were after our own last write or reading. */
  readonly #known = new Map<string, Content<T>>()
  /** What is posted while a write is under way goes together with the next. */
  readonly #next = new Map<string, Letter<T>>()
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(zk: ZooKeeper, options: MailboxesOptions<T>) {
    this.#zk = zk
    this.#options = {
      maxBytes: 200 * 1024,
      limitMs: 5_000,
      remembered: 100_000,
      spare: () => false,
      ...options,
    }
  }

  /**
   * Resolves when the items are in the mailbox. The node must exist.
   * @throws ArmadaError `queue_full`, before anything is written; `unavailable` after the limit; KeeperError
   * `no_node`; the signal's reason.
   */
  post(id: string, items: readonly T[], signal?: AbortSignal): Promise<void> {
    const waiting = this.#next.get(id)
    if (waiting) {
      for (const item of items) waiting.items.push(item)
      return waiting.sent
    }
    const letter: Letter<T> = { items: [...items], sent: Promise.resolve() }
    const before = this.#underWay.get(id)
    if (before) this.#next.set(id, letter)
    const sent = before
      ? before.then(() => this.#sendNext(id, letter, signal))
      : this.#send(id, letter, signal)
    letter.sent = sent
    const done = sent.then(
      () => undefined,
      () => undefined,
    )
    this.#underWay.set(id, done)
    void done.then(() => {
      if (this.#underWay.get(id) === done) this.#underWay.delete(id)
    })
    return sent
  }

  /** What is in the mailbox now; remembered for the next post. Undefined when there is no such node. */
  async read(id: string, signal?: AbortSignal, limitMs?: number): Promise<readonly T[] | undefined> {
    const patience = { signal, ...(limitMs !== undefined && { limitMs }) }
    const path = this.#options.pathOf(id)
    const found = await persistently(this.#zk, patience, () => this.#zk.get(path))
    if (!found) return undefined
    const items = decoded(path, found.data, this.#options) ?? []
    this.#remember(id, { version: found.stat.version, items })
    return items
  }

  /** The mailbox may be another one by now. */
  forget(id: string): void {
    this.#known.delete(id)
  }

  #sendNext(id: string, letter: Letter<T>, signal: AbortSignal | undefined): Promise<void> {
    this.#next.delete(id)
    return this.#send(id, letter, signal)
  }

  async #send(id: string, { items }: Letter<T>, signal: AbortSignal | undefined): Promise<void> {
    const { pathOf, encode, keyOf, keep, spare, maxBytes, limitMs } = this.#options
    const path = pathOf(id)
    const endMs = performance.now() + limitMs
    const keys = new Set(items.map(keyOf))
    let unsure = false
    for (let tries = 0; ; tries++) {
      if (!this.#known.has(id)) await this.read(id, signal, Math.max(1, endMs - performance.now()))
      const known = this.#known.get(id)
      if (!known) throw new KeeperError('no_node', false, `post ${path}`)
      if (unsure && areIn(items, known.items)) return
      const kept = known.items.filter((item) => !keys.has(keyOf(item)) && keep(item, id))
      let next = [...kept, ...items]
      let data = encode(next)
      if (data.length > maxBytes) {
        next = [...kept.filter((item) => !spare(item)), ...items]
        data = encode(next)
      }
      if (data.length > maxBytes) throw full(path, data.length, maxBytes)
      signal?.throwIfAborted()
      this.#known.delete(id)
      try {
        const { version } = await this.#zk.set(path, data, known.version)
        this.#remember(id, { version, items: next })
        return
      } catch (error) {
        if (!isPassing(error) && !isKeeper(error, 'bad_version')) throw error
        unsure ||= isPassing(error)
        if (performance.now() >= endMs) throw late(path, limitMs, unsure, error)
        await sleep(tries > 2 ? backoffMs(tries, 5, 200) : 0, signal)
      }
    }
  }

  #remember(id: string, content: Content<T>): void {
    this.#known.delete(id)
    this.#known.set(id, content)
    forgetOldest(this.#known, this.#options.remembered)
  }
}

/**
 * The items of a mailbox that were not yielded before, now and after every change, until the signal fires.
 * One get a change. What cannot be decoded is logged and passed over.
 */
export async function* mail<T>(
  zk: ZooKeeper,
  path: string,
  signal: AbortSignal,
  format: Omit<Format<T>, 'encode'>,
): AsyncGenerator<T[]> {
  let seen: ReadonlySet<string> = new Set()
  for await (const data of watchValue(zk, path, signal)) {
    const items = decoded(path, data ?? Buffer.alloc(0), format)
    if (!items) continue
    const before = seen
    seen = new Set(items.map(format.keyOf))
    const fresh = items.filter((item) => !before.has(format.keyOf(item)))
    if (fresh.length > 0) yield fresh
  }
}

function decoded<T>(
  path: string,
  data: Buffer,
  { decode, log }: Pick<Format<T>, 'decode' | 'log'>,
): T[] | undefined {
  try {
    return decode(data)
  } catch (error) {
    log.error({ path, bytes: data.length, error: messageOf(error) }, 'a mailbox cannot be read')
    return undefined
  }
}

function areIn<T>(items: readonly T[], all: readonly T[]): boolean {
  const there = new Set(all.map((item) => JSON.stringify(item)))
  return items.every((item) => there.has(JSON.stringify(item)))
}

function full(path: string, bytes: number, maxBytes: number): ArmadaError {
  const detail = `${path} would take ${bytes} bytes and holds ${maxBytes}. Nothing was written; try again in a moment.`
  return new ArmadaError('queue_full', detail, { retryAfterSeconds: 2 })
}

function late(path: string, limitMs: number, unknown: boolean, cause: unknown): ArmadaError {
  const written = unknown ? 'it is unknown whether it was written' : 'nothing was written'
  const detail = `ZooKeeper could not settle a post to ${path} within ${limitMs} ms (${messageOf(cause)}); ${written}.`
  return new ArmadaError('unavailable', detail, { cause, retryAfterSeconds: 2 })
}
