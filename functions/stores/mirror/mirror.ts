// The watch-fed copy of etcd in memory that all lookups are served from.
//
// INVARIANTS
// - It shows the store as it was at `revision`: changes are applied whole commit by whole commit, in order.
// - It never goes back, except by listing again after a gap.
// - While etcd is away it keeps showing the last picture and says so (`connected` is false).
// - While it says nothing of the kind it misses nothing that was acknowledged more than `boundMs` ago: etcd is
//   asked every `confirmEveryMs` how far it is, so that a frozen or cut-off one is noticed as well.
import { ArmadaError, messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { Bell, backoffMs, loop, sleep } from '../../../shared/loop.ts'
import type { Change, KeyValue, Kv } from '../etcd/kv.ts'
import { etcdKeys } from '../keys.ts'

/** Changes are here within some ms, so that etcd need not be asked where it stands. */
const followMs = 150

/** A kind of record that the mirror keeps up: see Table. */
interface Mirrored {
  readonly prefix: string
  apply(change: Change): boolean
  replace(items: readonly KeyValue[], listedAt: number): void
  onBad: (key: string, error: unknown) => void
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

const boundMs = 3_000
const confirmEveryMs = 500

export class Mirror {
  #kv: Kv
  #log: Log
  #observer: MirrorObserver | undefined
  #tables: readonly Mirrored[]
  #watch: { close(): Promise<void> } | undefined
  readonly #waiters = new Set<{ revision: number; done: () => void }>()
  #stopped = new AbortController()
  /** What etcd had acknowledged by then is shown. */
  #currentAtMs = performance.now()
  #connected = false
  /** It has caught up since the watch was last connected. */
  #whole = false
  #bell = new Bell()
  /** The revision of a key that etcd is known to have: the picture misses something until it is there. */
  #missing = 0
  #lastLook: Promise<unknown> = Promise.resolve()
  #nextLook: Promise<boolean> | undefined
  revision = 0

  constructor(kv: Kv, tables: readonly Mirrored[], log: Log, observer?: MirrorObserver) {
    this.#kv = kv
    this.#tables = tables
    this.#log = log
    this.#observer = observer
    const tell = (key: string, error: unknown) =>
      log.error({ key, error: messageOf(error) }, 'a record in etcd cannot be read and is passed over')
    for (const table of tables) table.onBad = tell
  }

  /** Lists everything, then follows. Resolves once the first picture is whole; tries until the signal fires. */
  async open(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#stopped.abort(), { once: true })
    await this.#list()
    void this.#confirm()
  }

  get connected(): boolean {
    return this.staleMs === null
  }

  /** How old the picture may be; null while that is within the bound. */
  get staleMs(): number | null {
    const ageMs = performance.now() - this.#currentAtMs
    return this.#connected && this.#whole && ageMs <= boundMs ? null : ageMs
  }

  /**
   * Resolves when the picture shows all that was committed before the call.
   * @throws ArmadaError unavailable.
   */
  async catchUp(limitMs = 2_000): Promise<void> {
    const askedAtMs = performance.now()
    await this.#catchUp(limitMs)
    this.#currentAtMs = Math.max(this.#currentAtMs, askedAtMs)
    this.#whole = this.#connected
  }

  async #catchUp(limitMs: number): Promise<void> {
    const now = await this.#kv.revision()
    await this.reach(now, limitMs)
    // Others may write into the same etcd, which moves its revision and not ours.
    if (this.revision >= now || !(await this.#isBehind())) return
    throw behind(this.revision, now, limitMs)
  }

  /** Nothing that this ApiServer has read or written is newer. */
  get newest(): number {
    return Math.max(this.revision, this.#kv.heard)
  }

  /**
   * Resolves when the picture shows `revision`, which a caller has seen elsewhere. While etcd is away, and when it was
   * set back to a time before that revision, the picture counts as it is.
   * @throws ArmadaError unavailable.
   */
  async follow(revision: number, limitMs = 2_000): Promise<void> {
    await this.reach(revision, followMs)
    if (this.revision >= revision || !this.connected) return
    const now = await this.#kv.revision().catch(() => 0)
    if (now < revision) return
    // Nothing of ours is missing up to now: others write into the same etcd, and would be waited for in vain.
    if (!(await this.#isBehind().catch(() => true))) this.#advance(now)
    else await this.reach(revision, limitMs)
    if (this.revision < revision && this.connected) throw behind(this.revision, revision, limitMs)
  }

  /**
   * Whether etcd has something of ours that the picture does not show. It looks through all keys for it, for seconds
   * when it is busy: so one look at a time, for all who asked before it began, and none while an earlier one tells.
   */
  #isBehind(): Promise<boolean> {
    if (this.revision < this.#missing) return Promise.resolve(true)
    this.#nextLook ??= this.#lastLook.then(async () => {
      this.#nextLook = undefined
      const look = this.#kv.newerThan(etcdKeys.root, this.revision)
      this.#lastLook = look.catch(() => undefined)
      this.#missing = (await look) ?? 0
      return this.revision < this.#missing
    })
    return this.#nextLook
  }

  /** Resolves when the picture has reached `revision`, or after `limitMs`: so that who wrote it can read it. */
  async reach(revision: number, limitMs = 500): Promise<void> {
    if (this.revision >= revision) return
    await new Promise<void>((resolve) => {
      const waiter = { revision, done }
      const timer = setTimeout(done, limitMs).unref()
      this.#waiters.add(waiter)
      const waiters = this.#waiters
      function done(): void {
        clearTimeout(timer)
        waiters.delete(waiter)
        resolve()
      }
    })
  }

  async close(): Promise<void> {
    this.#stopped.abort()
    await this.#watch?.close()
  }

  /** Learns again and again until when the picture is whole. */
  async #confirm(): Promise<void> {
    const options = { name: 'confirm', everyMs: confirmEveryMs, signal: this.#stopped.signal, log: this.#log }
    await loop({ ...options, bell: this.#bell }, async () => {
      // While etcd is away that shows in `staleMs`.
      if (this.#connected) await this.catchUp(1_000).catch(() => undefined)
    })
  }

  async #list(): Promise<void> {
    const signal = this.#stopped.signal
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const askedAtMs = performance.now()
        const revision = await this.#kv.revision()
        this.#observer?.listing()
        // Table by table: what else stands under the root, such as the audit log, would only be thrown away.
        for (const table of this.#tables) {
          const { items } = await this.#kv.list(table.prefix, revision)
          table.replace(items, revision)
        }
        this.#missing = 0
        this.#observer?.listed(revision)
        this.#advance(revision)
        this.#currentAtMs = askedAtMs
        this.#connected = true
        this.#whole = true
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
      connected: (connected) => {
        if (this.#watch !== watch) return
        this.#connected = connected
        if (!connected) this.#whole = false
        this.#bell.ring()
      },
      gap: (reason) => {
        if (this.#watch !== watch) return
        this.#watch = undefined
        this.#connected = false
        this.#whole = false
        this.#log.warn({ reason }, 'the watch on etcd ended; everything is listed again')
        void watch.close()
        void this.#list()
      },
    })
    this.#watch = watch
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
    for (const waiter of this.#waiters) if (waiter.revision <= this.revision) waiter.done()
  }
}

function behind(revision: number, wanted: number, limitMs: number): ArmadaError {
  const detail = `Memory is at revision ${revision} and etcd at ${wanted} for over ${limitMs} ms. Try again.`
  return new ArmadaError('unavailable', detail, { retryAfterSeconds: 1 })
}
