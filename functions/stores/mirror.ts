// The watch-fed copy of etcd in memory that all lookups are served from.
//
// INVARIANTS
// - It shows the store as it was at `revision`: changes are applied whole commit by whole commit, in order.
// - It never goes back, except by listing again after a gap.
// - While etcd is away it keeps showing the last picture and says so (`connected` is false).
import { setTimeout as delay } from 'node:timers/promises'
import { ArmadaError, messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { backoffMs, sleep } from '../../shared/loop.ts'
import { etcdKeys } from './keys.ts'
import type { Change, KeyValue, Kv } from './kv.ts'

/** A kind of record that the mirror keeps up: see Table. */
interface Mirrored {
  readonly prefix: string
  apply(change: Change): boolean
  replace(items: readonly KeyValue[], listedAt: number): void
}

/** Is told what the mirror does with its tables. */
export interface MirrorObserver {
  /** Whole commits up to this revision were applied. */
  applied(revision: number): void
  /** The tables are about to be made equal to a fresh listing, past a gap unless it is the first. */
  listing(): void
  /** They show the listing at this revision. */
  listed(revision: number): void
}

export class Mirror {
  #kv: Kv
  #log: Log
  #observer: MirrorObserver | undefined
  #tables: readonly Mirrored[]
  #watch: { close(): Promise<void> } | undefined
  #waiters: { revision: number; done: () => void }[] = []
  #stopped = new AbortController()
  #lostAtMs: number | null = performance.now()
  revision = 0

  constructor(kv: Kv, tables: readonly Mirrored[], log: Log, observer?: MirrorObserver) {
    this.#kv = kv
    this.#tables = tables
    this.#log = log
    this.#observer = observer
  }

  /** Lists everything, then follows. Resolves once the first picture is whole; tries until the signal fires. */
  async open(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#stopped.abort(), { once: true })
    await this.#list()
  }

  get connected(): boolean {
    return this.#lostAtMs === null
  }

  /** How long the watch has been away; null while it stands. */
  get staleMs(): number | null {
    return this.#lostAtMs === null ? null : performance.now() - this.#lostAtMs
  }

  /**
   * Resolves when the picture shows all that was committed before the call. etcd has to be ours alone: writes of
   * others outside our keys would be waited for in vain.
   * @throws ArmadaError unavailable.
   */
  async catchUp(limitMs = 2_000): Promise<void> {
    const now = await this.#kv.revision()
    await this.reach(now, limitMs)
    if (this.revision >= now) return
    const behind = `Memory is at revision ${this.revision} and etcd at ${now} for over ${limitMs} ms. Try again.`
    throw new ArmadaError('unavailable', behind, { retryAfterSeconds: 1 })
  }

  /** Resolves when the picture has reached `revision`, or after `limitMs`: so that who wrote it can read it. */
  async reach(revision: number, limitMs = 500): Promise<void> {
    if (this.revision >= revision) return
    const limit = new AbortController()
    await Promise.race([
      new Promise<void>((done) => this.#waiters.push({ revision, done })),
      delay(limitMs, undefined, { signal: limit.signal, ref: false }).catch(() => undefined),
    ])
    limit.abort()
  }

  async close(): Promise<void> {
    this.#stopped.abort()
    await this.#watch?.close()
  }

  async #list(): Promise<void> {
    const signal = this.#stopped.signal
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const revision = await this.#kv.revision()
        this.#observer?.listing()
        // Table by table: what else stands under the root, such as the audit log, would only be thrown away.
        for (const table of this.#tables) {
          const { items } = await this.#kv.list(table.prefix, revision)
          table.replace(items, revision)
        }
        this.#observer?.listed(revision)
        this.#advance(revision)
        this.#heard(true)
        this.#follow(revision)
        return
      } catch (error) {
        this.#log.warn({ error: messageOf(error) }, 'etcd cannot be read yet; trying again')
        await sleep(backoffMs(attempt, 200, 3_000), signal)
      }
    }
  }

  #follow(revision: number): void {
    const watch = this.#kv.watch(etcdKeys.root, revision, {
      changes: (changes, at) => this.#apply(changes, at),
      connected: (connected) => this.#heard(connected),
      gap: (reason) => {
        if (this.#watch !== watch) return
        this.#watch = undefined
        this.#heard(false)
        this.#log.warn({ reason }, 'the watch on etcd ended; everything is listed again')
        void watch.close()
        void this.#list()
      },
    })
    this.#watch = watch
  }

  #heard(connected: boolean): void {
    this.#lostAtMs = connected ? null : (this.#lostAtMs ?? performance.now())
  }

  #apply(changes: Change[], revision: number): void {
    for (const change of changes) {
      for (const table of this.#tables) if (table.apply(change)) break
    }
    this.#observer?.applied(revision)
    this.#advance(revision)
  }

  #advance(revision: number): void {
    this.revision = Math.max(this.revision, revision)
    const waiting = this.#waiters.filter((waiter) => waiter.revision > this.revision)
    const done = this.#waiters.filter((waiter) => waiter.revision <= this.revision)
    this.#waiters = waiting
    for (const waiter of done) waiter.done()
  }
}
