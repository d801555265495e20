// The key-value store as the rest sees it: records guarded by revision. etcd is behind it.
import { ArmadaError, messageOf } from '../../../shared/errors.ts'

export interface KeyValue {
  key: string
  value: string
  /** Revision of the store at the last change of this key. Rises with every change anywhere. */
  revision: number
}

/** What must hold for a commit to happen: the key was last changed at `revision` (0: does not exist), or has `value`. */
export type Condition = { key: string; revision: number } | { key: string; value: string }

export type Write =
  /** With a lease the key goes when the lease ends. */
  { put: string; value: string; lease?: string } | { delete: string }

/** One of several independent transactions. */
export interface Part {
  conditions: Condition[]
  writes: Write[]
  /** Keys to be read where a condition does not hold. */
  otherwise: string[]
}

/** The revision at which a part happened, or what stands under its keys. */
export type PartResult = { revision: number } | { found: (KeyValue | undefined)[] }

export interface Change {
  key: string
  /** undefined: the key was deleted. */
  value: string | undefined
  revision: number
  /** In a history: what it was before; undefined when it was not there. */
  before?: string
}

/** The store has thrown away what was asked of it. */
export class CompactedError extends Error {
  /** The oldest revision that it still knows, if it said so. */
  readonly oldest: number | undefined

  constructor(oldest: number | undefined) {
    super('etcd has compacted what happened then')
    this.oldest = oldest
  }
}

/** More than the store takes in one commit: it did not happen, and never will. */
export class TooLargeError extends ArmadaError {
  constructor(cause: unknown) {
    super('unavailable', `etcd takes no commit as large as this one: ${messageOf(cause)}`, { cause })
  }
}

export interface WatchHandlers {
  /** All changes of one or more whole commits, in order; `revision` is that of the store after them. */
  changes(changes: Change[], revision: number): void
  /** The store can no longer tell what happened since (compaction): list again and watch from there. */
  gap(reason: string): void
  /** The connection was lost or is back. What is read meanwhile may be out of date. */
  connected(connected: boolean): void
}

/** As much as lookups take, and all that the edge has. */
export interface KvReader {
  get(key: string): Promise<KeyValue | undefined>
  /** All keys that begin with the prefix, in order, as they were at one revision. */
  list(prefix: string): Promise<{ items: KeyValue[]; revision: number }>
}

export interface Kv extends KvReader {
  /** @param revision the one to show; default: the newest. */
  list(prefix: string, revision?: number): Promise<{ items: KeyValue[]; revision: number }>
  /** At most `limit` keys, in order: the first is `first` or comes after it, and all come before `end`. */
  page(first: string, end: string, limit: number): Promise<KeyValue[]>
  /**
   * Does all writes at once if all conditions hold. At most 120 of each.
   * @returns the revision of the commit, or undefined when a condition did not hold.
   * @throws ArmadaError unavailable: it is unknown whether it happened; repeat it, or read.
   */
  commit(conditions: Condition[], writes: Write[]): Promise<number | undefined>
  /**
   * Independent transactions in one commit, which costs the store one write: each happens if its own conditions hold.
   * No key may be written by two of them. Parts and the largest number of conditions or writes in one are together at
   * most 120.
   * @throws ArmadaError unavailable: it is unknown whether they happened; repeat it, or read. TooLargeError: none did.
   */
  commitEach(parts: readonly Part[]): Promise<PartResult[]>
  /** Highest revision that the store has named in an answer: nothing that was read or written here is newer. */
  readonly heard: number
  /** Makes a lease that ends by itself. @returns its id. */
  lease(seconds: number): Promise<string>
  /** Ends a lease before its time, with all keys that have it. */
  revoke(lease: string): Promise<void>
  /** Of the store now, as its majority has it. */
  revision(): Promise<number>
  /** The revision of a key of the prefix that was written after `revision`. Costs the store a look at every key. */
  newerThan(prefix: string, revision: number): Promise<number | undefined>
  /** Follows all keys of the prefix that change after `revision`. */
  watch(prefix: string, revision: number, handlers: WatchHandlers): { close(): Promise<void> }
  /**
   * Yields every change of the store after revision `from` up to `to`, in order, with what was before.
   * @throws CompactedError when the store cannot tell all of it any more.
   */
  history(from: number, to: number): AsyncGenerator<Change[]>
  close(): void
}
