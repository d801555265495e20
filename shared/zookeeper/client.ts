// ZooKeeper as Armada uses it: typed requests with limits, on a session that mends itself.
//
// On suspended: requests are refused at once (KeeperError connection_loss, nothing sent); those under way
// fail as unknown. On lost: the same, every ephemeral node is or will be gone, and a new session follows by
// itself. Watches end with the connection: on every connected, read again what you watch.
import { lookup } from 'node:dns/promises'
import Driver from 'zookeeper'
import { ArmadaError } from '../errors.ts'
import type { Log } from '../log.ts'
import { isKeeper, KeeperError } from './keeperError.ts'
import type { Credentials, Native, Stat, WatchEvent } from './native.ts'
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
}

const modes = { persistent: 0, ephemeral: 1, persistent_sequential: 2, ephemeral_sequential: 3 } as const
export type CreateMode = keyof typeof modes

const operations = ['create', 'get', 'set', 'delete', 'children', 'exists', 'sync', 'set_acl'] as const
export type Operation = (typeof operations)[number]

/** The server drops connections that send more than 1 MB; everything else in flight would go with it. */
const maxValueBytes = 512 * 1024

const acl = [{ perm: 31, scheme: 'auth', auth: '' }]

type EventListener = (event: WatchEvent, path: string) => void
type Send = (
  native: Native,
  answer: (returnCode: number, message: string, ...rest: never[]) => void,
) => number

interface UnderWay {
  deadlineMs: number
  fail: () => void
}

export class ZooKeeper {
  /** Requests sent since the start, by operation. */
  readonly requests = Object.fromEntries(operations.map((name) => [name, 0])) as Record<Operation, number>
  readonly log: Log
  readonly #session: Session
  readonly #requestTimeoutMs: number
  readonly #protected: boolean
  readonly #stateListeners = new Set<(state: SessionState) => void>()
  readonly #eventListeners = new Set<EventListener>()
  readonly #pathListeners = new Map<string, Set<EventListener>>()
  /** In the order of their deadlines, because all have the same limit. */
  readonly #underWay = new Set<UnderWay>()

  private constructor(options: ConnectOptions) {
    this.log = options.log
    this.#requestTimeoutMs = options.requestTimeoutMs ?? 5_000
    this.#protected = Boolean(options.secret)
    this.#session = new Session({
      open: opener(options.servers),
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
      onTick: (nowMs) => this.#sweep(nowMs),
    })
  }

  /** Resolves when first connected. @throws ArmadaError `unavailable` after `connectTimeoutMs`. */
  static async connect(options: ConnectOptions, signal?: AbortSignal): Promise<ZooKeeper> {
    const zk = new ZooKeeper(options)
    try {
      await zk.connected(signal, options.connectTimeoutMs ?? 15_000)
      const chroot = chrootOf(options.servers)
      if (chroot && !(await zk.exists('/'))) {
        const outer = await ZooKeeper.connect({
          ...options,
          servers: options.servers.slice(0, -chroot.length),
        })
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

  /** Resolves when connected. @throws ArmadaError `unavailable` after `limitMs`; the signal's reason; `closed`. */
  connected(signal?: AbortSignal, limitMs?: number): Promise<void> {
    if (this.state === 'connected') return Promise.resolve()
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        stop()
        settle()
      }
      const onAbort = (): void => finish(() => reject(signal?.reason))
      const timer =
        limitMs === undefined
          ? undefined
          : setTimeout(() => finish(() => reject(unreachable(limitMs))), limitMs)
      const stop = this.onState((state) => {
        if (state === 'connected') finish(resolve)
        if (state === 'closed') finish(() => reject(new KeeperError('closed', false, 'connected')))
      })
      signal?.addEventListener('abort', onAbort)
      if (signal?.aborted) onAbort()
      else if (this.state === 'closed') finish(() => reject(new KeeperError('closed', false, 'connected')))
    })
  }

  /** Returns the node's real path. @throws KeeperError `node_exists`, `no_node` when the parent is missing. */
  create(path: string, data: Buffer | string, mode: CreateMode = 'persistent'): Promise<string> {
    return this.#write('create', path, data, (native, bytes, answer) =>
      native.a_create(path, bytes, modes[mode], answer),
    )
  }

  /** `undefined` when there is no such node; with `watch` its creation is then noticed as well. */
  async get(path: string, watch = false): Promise<{ data: Buffer; stat: Stat } | undefined> {
    const read = this.#request('get', path, (native, answer) => native.a_get(path, watch, answer), both)
    const found = await orUndefined(read)
    // A get leaves no watch on a missing node; an exists does.
    if (found || !watch || !(await this.exists(path, true))) return found
    return this.get(path, watch)
  }

  /** @throws KeeperError `no_node`, `bad_version`. */
  set(path: string, data: Buffer | string, version = -1): Promise<Stat> {
    return this.#write('set', path, data, (native, bytes, answer) =>
      native.a_set(path, bytes, version, answer),
    )
  }

  /** False when it was already gone. @throws KeeperError `bad_version`, `not_empty`. */
  async delete(path: string, version = -1): Promise<boolean> {
    const done = this.#request(
      'delete',
      path,
      (native, answer) => native.a_delete_(path, version, answer),
      yes,
    )
    return (await orUndefined(done)) ?? false
  }

  /** Names, in no order; `undefined` when there is no such node. */
  children(path: string, watch = false): Promise<string[] | undefined> {
    const send: Send = (native, answer) => native.a_get_children(path, watch, answer)
    return orUndefined(this.#request('children', path, send, (names: string[]) => names))
  }

  /** With `watch`, the creation of a missing node is noticed as well. */
  exists(path: string, watch = false): Promise<Stat | undefined> {
    const send: Send = (native, answer) => native.a_exists(path, watch, answer)
    return orUndefined(this.#request('exists', path, send, (stat: Stat) => stat))
  }

  /** After it, reads on this connection see every change that had been committed before. */
  sync(path: string): Promise<void> {
    return this.#request(
      'sync',
      path,
      (native, answer) => native.a_sync(path, answer),
      () => undefined,
    )
  }

  /** Creates what is missing of the path, persistent; protected by the secret when there is one. */
  async ensurePath(path: string): Promise<void> {
    if (await this.exists(path)) return
    const parent = path.slice(0, path.lastIndexOf('/'))
    if (parent) await this.ensurePath(parent)
    await this.create(path, '').catch((error: unknown) => {
      if (!isKeeper(error, 'node_exists')) throw error
    })
    if (!this.#protected) return
    await this.#request('set_acl', path, (native, answer) => native.a_set_acl(path, -1, acl, answer), yes)
  }

  /** Ephemeral nodes go at once when the server can be reached, else when the session expires. */
  close(): Promise<void> {
    return this.#session.close()
  }

  #write<T>(
    operation: Operation,
    path: string,
    data: Buffer | string,
    send: (native: Native, bytes: Buffer, answer: (...answer: [number, string, T]) => void) => number,
  ): Promise<T> {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    const request = `${operation} ${path}`
    if (bytes.length > maxValueBytes) return Promise.reject(new KeeperError('too_large', false, request))
    return this.#request(
      operation,
      path,
      (native, answer) => send(native, bytes, answer),
      (value: T) => value,
    )
  }

  #request<T, A extends unknown[]>(
    operation: Operation,
    path: string,
    send: (native: Native, answer: (returnCode: number, message: string, ...rest: A) => void) => number,
    take: (...answer: A) => T,
  ): Promise<T> {
    const request = `${operation} ${path}`
    return new Promise((resolve, reject) => {
      const native = this.#session.native(request)
      const deadlineMs = performance.now() + this.#requestTimeoutMs
      const entry: UnderWay = { deadlineMs, fail: () => reject(new KeeperError('timeout', true, request)) }
      this.#underWay.add(entry)
      this.requests[operation]++
      const refused = send(native, (returnCode, _message, ...answer) => {
        if (!this.#underWay.delete(entry)) return
        if (returnCode === 0) return resolve(take(...answer))
        const error =
          this.#session.state === 'closed'
            ? new KeeperError('closed', true, request)
            : KeeperError.from(returnCode, request)
        // When the connection breaks, nobody may open sockets within the driver's callback (see session.ts).
        if (error.unknown) setImmediate(reject, error)
        else reject(error)
      })
      if (refused === 0) return
      this.#underWay.delete(entry)
      reject(KeeperError.from(refused, request))
    })
  }

  #sweep(nowMs: number): void {
    for (const entry of this.#underWay) {
      if (entry.deadlineMs > nowMs) return
      this.#underWay.delete(entry)
      entry.fail()
    }
  }
}
