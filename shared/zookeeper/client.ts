// ZooKeeper as Armada uses it: typed requests with limits, on a session that mends itself.
//
// On suspended: requests are refused at once (KeeperError connection_loss, nothing sent); those under way
// fail as unknown. On lost: the same, every ephemeral node is or will be gone, and a new session follows by
// itself. Watches end with the connection: on every connected, read again what you watch.
import { ArmadaError } from '../errors.ts'
import type { Log } from '../log.ts'
import { isKeeper, KeeperError } from './keeperError.ts'
import { type Answer, chrootOf, type Native, openerOf, type Stat, type WatchEvent } from './native.ts'
import { type Operation, Requests } from './requests.ts'
import { Session, type SessionState } from './session.ts'

export type { Stat, WatchEvent } from './native.ts'
export type { SessionState } from './session.ts'

export interface ConnectOptions {
  /** `host:port,host:port`, optionally with `/chroot`, which is created when missing. */
  servers: string
  sessionTimeoutMs?: number
  /** Protects the nodes that `ensurePath` creates, with the digest identity `armada:{secret}`. */
  secret?: string
  log: Log
  connectTimeoutMs?: number
  requestTimeoutMs?: number
  /** Hears of every request that was sent: how long it took, and whether an answer came in time. */
  onSettled?: (operation: Operation, ms: number, ok: boolean) => void
}

const modes = { persistent: 0, ephemeral: 1, persistent_sequential: 2, ephemeral_sequential: 3 } as const
export type CreateMode = keyof typeof modes

/** The server drops connections that send more than 1 MB; everything else in flight would go with it. */
const maxValueBytes = 512 * 1024

const ownerOnly = [{ perm: 31, scheme: 'auth', auth: '' }]

type EventListener = (event: WatchEvent, path: string) => void

export class ZooKeeper {
  readonly log: Log
  readonly #session: Session
  readonly #sent: Requests
  readonly #options: ConnectOptions
  readonly #stateListeners = new Set<(state: SessionState) => void>()
  readonly #eventListeners = new Set<EventListener>()
  readonly #pathListeners = new Map<string, Set<EventListener>>()

  private constructor(options: ConnectOptions) {
    this.log = options.log
    this.#sent = new Requests(options.requestTimeoutMs ?? 5_000, options.onSettled)
    this.#options = options
    this.#session = new Session({
      open: openerOf(options.servers),
      sessionTimeoutMs: options.sessionTimeoutMs ?? 10_000,
      log: options.log,
      auth: options.secret ? `armada:${options.secret}` : undefined,
      onState: (state) => {
        for (const listener of [...this.#stateListeners]) listener(state)
      },
      onEvent: (event, path) => {
        for (const listener of [...(this.#pathListeners.get(path) ?? [])]) listener(event, path)
        for (const listener of [...this.#eventListeners]) listener(event, path)
      },
      onTick: (nowMs) => this.#sent.sweep(nowMs),
    })
  }

  /** Resolves when first connected. @throws ArmadaError `unavailable` after `connectTimeoutMs`. */
  static async connect(options: ConnectOptions, signal?: AbortSignal): Promise<ZooKeeper> {
    const zk = new ZooKeeper(options)
    try {
      await zk.connected(signal, options.connectTimeoutMs ?? 15_000)
      const chroot = chrootOf(options.servers)
      if (chroot && !(await zk.exists('/'))) {
        const { secret: _, ...open } = options
        const outer = await ZooKeeper.connect(
          { ...open, servers: options.servers.replace(/\/.*$/, '') },
          signal,
        )
        await outer.ensurePath(chroot).finally(() => outer.close())
      }
      return zk
    } catch (error) {
      await zk.close()
      throw error
    }
  }

  get state(): SessionState {
    return this.#session.state
  }

  /** Hexadecimal, as `ephemeralOwner` names it. Changes with every new session. */
  get sessionId(): string {
    return this.#session.id
  }

  /** As the server granted it. */
  get sessionTimeoutMs(): number {
    return this.#session.timeoutMs
  }

  /** Requests sent since the start, by operation. */
  get requests(): Readonly<Record<Operation, number>> {
    return this.#sent.counts
  }

  /** `connected` is said after every reconnection, also of a new session. Returns how to stop listening. */
  onState(listener: (state: SessionState) => void): () => void {
    this.#stateListeners.add(listener)
    return () => this.#stateListeners.delete(listener)
  }

  /** Every watch event of this client. */
  onEvent(listener: EventListener): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  /** Watch events of one path; cheap with thousands of paths. */
  onPath(path: string, listener: EventListener): () => void {
    const listeners = this.#pathListeners.get(path) ?? new Set()
    this.#pathListeners.set(path, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#pathListeners.get(path) === listeners)
        this.#pathListeners.delete(path)
    }
  }

  /** Resolves when connected. @throws ArmadaError `unavailable` after `limitMs`; KeeperError `closed`. */
  connected(signal?: AbortSignal, limitMs?: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      const finish = (settle: () => void): void => {
        clearTimeout(timer)
        stop()
        signal?.removeEventListener('abort', onAbort)
        settle()
      }
      const onAbort = (): void => finish(() => reject(signal?.reason))
      const onState = (state: SessionState): void => {
        if (state === 'connected') finish(resolve)
        if (state === 'closed') finish(() => reject(new KeeperError('closed', false, 'connected')))
      }
      const stop = this.onState(onState)
      signal?.addEventListener('abort', onAbort)
      if (limitMs !== undefined) timer = setTimeout(() => finish(() => reject(unreachable(limitMs))), limitMs)
      if (signal?.aborted) onAbort()
      else onState(this.state)
    })
  }

  /** Returns the node's real path. @throws KeeperError `node_exists`, `no_node` when the parent is missing. */
  create(path: string, data: Buffer | string, mode: CreateMode = 'persistent'): Promise<string> {
    return this.#write('create', path, data, (native, bytes, answer: Answer<[string]>) =>
      native.a_create(path, bytes, modes[mode], answer),
    )
  }

  /** `undefined` when there is no such node; with `watch` its creation is then noticed as well. */
  async get(path: string, watch = false): Promise<{ data: Buffer; stat: Stat } | undefined> {
    const found = await this.#read(
      'get',
      path,
      (native, answer: Answer<[Stat, Buffer | null]>) => native.a_get(path, watch, answer),
      (stat, data) => ({ data: data ?? Buffer.alloc(0), stat }),
    )
    const appeared = !found && watch && (await this.exists(path, true))
    return appeared ? this.get(path, watch) : found
  }

  /** Names in no order; `undefined` when there is no such node; with `watch` its creation is then noticed. */
  async children(path: string, watch = false): Promise<string[] | undefined> {
    const found = await this.#read(
      'children',
      path,
      (native, answer: Answer<[string[]]>) => native.a_get_children(path, watch, answer),
      (names) => names,
    )
    const appeared = !found && watch && (await this.exists(path, true))
    return appeared ? this.children(path, watch) : found
  }

  /** With `watch`, the creation of a missing node is noticed as well. */
  exists(path: string, watch = false): Promise<Stat | undefined> {
    return this.#read(
      'exists',
      path,
      (native, answer: Answer<[Stat]>) => native.a_exists(path, watch, answer),
      (stat) => stat,
    )
  }

  /** @throws KeeperError `no_node`, `bad_version`. */
  set(path: string, data: Buffer | string, version = -1): Promise<Stat> {
    return this.#write('set', path, data, (native, bytes, answer: Answer<[Stat]>) =>
      native.a_set(path, bytes, version, answer),
    )
  }

  /** False when it was already gone. @throws KeeperError `bad_version`, `not_empty`. */
  async delete(path: string, version = -1): Promise<boolean> {
    const done = await this.#read(
      'delete',
      path,
      (native, answer: Answer<[]>) => native.a_delete_(path, version, answer),
      () => true,
    )
    return done ?? false
  }

  /** After it, reads see every change that had been committed before. */
  sync(path: string): Promise<void> {
    const begin = (native: Native, answer: Answer<[]>) => native.a_sync(path, answer)
    return this.#sent.send(this.#session, 'sync', path, begin, () => undefined)
  }

  /** Creates what is missing of the path, persistent; with a secret, protects what nobody has protected yet. */
  async ensurePath(path: string): Promise<void> {
    const stat = await this.exists(path)
    if (!stat) {
      const parent = path.slice(0, path.lastIndexOf('/'))
      if (parent) await this.ensurePath(parent)
      else if (chrootOf(this.#options.servers)) await this.#ensureChroot()
      await this.create(path, '').catch((error: unknown) => {
        if (!isKeeper(error, 'node_exists')) throw error
      })
    }
    if (!this.#options.secret || (stat && stat.aversion > 0)) return
    const begin = (native: Native, answer: Answer<[]>) => native.a_set_acl(path, -1, ownerOnly, answer)
    await this.#sent.send(this.#session, 'set_acl', path, begin, () => undefined)
  }

  /** Ephemeral nodes go at once when the server can be reached, else when the session expires. */
  close(): Promise<void> {
    return this.#session.close()
  }

  async #ensureChroot(): Promise<void> {
    if (await this.exists('/')) return
    const { secret: _, servers, ...options } = this.#options
    const outer = await ZooKeeper.connect({ ...options, servers: servers.replace(/\/.*$/, '') })
    await outer.ensurePath(chrootOf(servers)).finally(() => outer.close())
  }

  async #read<T, A extends unknown[]>(
    operation: Operation,
    path: string,
    begin: (native: Native, answer: Answer<A>) => number,
    take: (...answer: A) => T,
  ): Promise<T | undefined> {
    try {
      return await this.#sent.send(this.#session, operation, path, begin, take)
    } catch (error) {
      if (isKeeper(error, 'no_node')) return undefined
      throw error
    }
  }

  async #write<T>(
    operation: Operation,
    path: string,
    data: Buffer | string,
    begin: (native: Native, bytes: Buffer, answer: Answer<[T]>) => number,
  ): Promise<T> {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    if (bytes.length > maxValueBytes) throw new KeeperError('too_large', false, `${operation} ${path}`)
    const send = (native: Native, answer: Answer<[T]>) => begin(native, bytes, answer)
    return this.#sent.send(this.#session, operation, path, send, (value) => value)
  }
}

function unreachable(limitMs: number): ArmadaError {
  return new ArmadaError(
    'unavailable',
    `ZooKeeper did not answer within ${limitMs} ms. Check that its servers run and can be reached.`,
    { retryAfterSeconds: 2 },
  )
}
