// The session: one native connection after another, and an honest word on whether the session lives.
//
// STATES  suspended -> connected -> suspended ...   suspended -> lost -> connected (new id)   any -> closed
//
// INVARIANTS
// - suspended: the driver lost its connection, or this process stood still for 2/3 of the session timeout.
// - connected is only said after a sync round trip, so what is read then is not older than what had been
//   committed before, on whichever server.
// - lost: the server said so, or our own clock did after a whole session timeout of suspension. A session
//   called lost is never used again: should it turn out to be alive, it is closed before a new one begins.
// - One native object serves one connection to one server. It is closed within the very callback or call in
//   which its socket died, and never reconnects by itself: it would go on polling a number that the next
//   socket of this process may get (that one falls silent, or libuv aborts the process), wait up to a third
//   of the session between two attempts, and have to fit all watches into one packet of 1 MB. The price:
//   watches end with the connection, and whoever watches reads again on every connected.
// - While it is connected, close() is called outside of its callbacks: inside, it would not tell the server.
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { Bell, backoffMs } from '../loop.ts'
import { KeeperError } from './keeperError.ts'
import { type Credentials, driverState, type Native, type OpenNative, type WatchEvent } from './native.ts'

const sessionExpired = -112

export type SessionState = 'connected' | 'suspended' | 'lost' | 'closed'

export interface SessionOptions {
  open: OpenNative
  sessionTimeoutMs: number
  log: Log
  /** `user:password` of the digest scheme. */
  auth: string | undefined
  onState: (state: SessionState) => void
  onEvent: (event: WatchEvent, path: string) => void
  onTick: (nowMs: number) => void
}

export class Session {
  readonly #options: SessionOptions
  readonly #over = new AbortController()
  readonly #turned = new Bell()
  #state: SessionState = 'suspended'
  #native: Native | undefined
  /** Counts native objects; callbacks of earlier ones are not listened to. */
  #turn = 0
  #opening = false
  #attempts = 0
  #retryAtMs = 0
  #credentials: Credentials | undefined
  /** The credentials are of a session that was already called lost. */
  #condemned = false
  #timeoutMs: number
  #tickAtMs = performance.now()
  #suspendedAtMs: number | undefined
  id = ''

  constructor(options: SessionOptions) {
    this.#options = options
    this.#timeoutMs = options.sessionTimeoutMs
    this.#replace()
    void this.#clock()
  }

  get state(): SessionState {
    this.check()
    return this.#state
  }

  /** The session timeout as the server granted it. */
  get timeoutMs(): number {
    return this.#timeoutMs
  }

  /**
   * Sends on the connection. @throws KeeperError when there is none just now; nothing was sent then.
   * @returns 0, or the negative code with which the driver refused.
   */
  send(request: string, begin: (native: Native) => number): number {
    this.check()
    const native = this.#native
    if (this.#state === 'connected' && native) {
      const refused = begin(native)
      this.#notice(native)
      return refused
    }
    const code =
      this.#state === 'closed' ? 'closed' : this.#state === 'lost' ? 'session_lost' : 'connection_loss'
    throw new KeeperError(code, false, request)
  }

  /** Notices a freeze of this process at once, before the clock's own turn has come. */
  check(): void {
    const nowMs = performance.now()
    const frozenAtMs = this.#tickAtMs
    if (nowMs - frozenAtMs <= (this.#timeoutMs * 2) / 3) return
    this.#tickAtMs = nowMs
    if (this.#state !== 'connected') return
    this.#options.log.warn({ frozenMs: Math.round(nowMs - frozenAtMs) }, 'this process stood still')
    this.#suspend(frozenAtMs)
    setImmediate(() => this.#verify())
  }

  /** Ends the session on the server when it can be reached, so that its ephemeral nodes go at once. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#over.abort()
    this.#say('closed')
    await new Promise((resolve) => setImmediate(resolve))
    this.#turn++
    this.#native?.close()
    this.#native = undefined
  }

  async #clock(): Promise<void> {
    while (!this.#over.signal.aborted) {
      await this.#turned.wait(this.#paceMs(), this.#over.signal)
      if (this.#over.signal.aborted) return
      this.check()
      const nowMs = performance.now()
      this.#tickAtMs = nowMs
      this.#options.onTick(nowMs)
      if (this.#suspendedAtMs !== undefined && nowMs - this.#suspendedAtMs >= this.#timeoutMs) this.#lose()
      const attached = this.#native?.state === driverState.connected
      const limitMs = this.#native ? this.#timeoutMs / 2 : 0
      if (!attached && !this.#opening && nowMs >= this.#retryAtMs + limitMs) this.#replace()
    }
  }

  /** What is connected has nothing but a freeze and unanswered requests to be noticed, in seconds. */
  #paceMs(): number {
    const isWell = this.#state === 'connected' && this.#native?.state === driverState.connected
    const [share, mostMs] = isWell ? [20, 500] : [40, 100]
    return Math.min(mostMs, Math.max(20, this.#timeoutMs / share))
  }

  #say(state: SessionState): void {
    if (this.#state === state || this.#state === 'closed') return
    this.#state = state
    this.#turned.ring()
    this.#options.onState(state)
  }

  #suspend(sinceMs: number): void {
    if (this.#state !== 'connected') return
    this.#suspendedAtMs = sinceMs
    this.#say('suspended')
    if (performance.now() - sinceMs >= this.#timeoutMs) this.#lose()
  }

  #lose(): void {
    this.#suspendedAtMs = undefined
    this.#condemned = this.#credentials !== undefined
    this.#options.log.warn({ session: this.id }, 'the ZooKeeper session is lost')
    this.#say('lost')
  }

  #replace(): void {
    const turn = ++this.#turn
    const old = this.#native
    this.#native = undefined
    this.#opening = true
    this.#retryAtMs = performance.now() + backoffMs(this.#attempts++, 20, 1_000)
    old?.close()
    const { open, sessionTimeoutMs, log } = this.#options
    open(this.#credentials, sessionTimeoutMs, (event, argument) => {
      if (turn === this.#turn) this.#hear(event, argument)
    })
      .then((native) => {
        if (turn !== this.#turn) return native.close()
        this.#native = native
        this.#opening = false
        if (this.#options.auth) native.add_auth('digest', this.#options.auth, () => undefined)
        this.#verify()
      })
      .catch((error: unknown) => {
        if (turn === this.#turn) this.#opening = false
        log.warn({ error: messageOf(error) }, 'a ZooKeeper server cannot be found')
      })
  }

  #hear(event: string, argument: unknown): void {
    if (event === 'connecting') this.#leave('broken')
    else if (event === 'close') this.#leave('expired')
    else if (event === 'connect') {
      const { client_id, client_password } = this.#native as Native
      this.#credentials = { client_id, client_password }
    } else if (this.#state !== 'closed') this.#options.onEvent(event as WatchEvent, String(argument))
  }

  /**
   * One round trip; on a new connection it waits in the driver for the handshake, and fails with it, which
   * is the only word that we get of a handshake that failed. On an old one without an answer, the driver
   * gives the connection up after 2/3 of the session.
   */
  #verify(): void {
    const native = this.#native
    if (!native) return
    const turn = this.#turn
    native.a_sync('/', (returnCode) => {
      if (turn !== this.#turn) return
      if (returnCode !== 0) this.#leave(returnCode === sessionExpired ? 'expired' : 'broken')
      setImmediate(() => {
        if (turn === this.#turn && this.#state !== 'closed') this.#alive()
      })
    })
    this.#notice(native)
  }

  /** A request that meets a reset connection makes the driver close its socket, and say nothing. */
  #notice(native: Native): void {
    if (native === this.#native && driverState.idle.includes(native.state)) this.#leave('broken')
  }

  /** Gives up the native object, in the callback or call in which its connection ended. */
  #leave(reason: 'broken' | 'expired'): void {
    const turn = ++this.#turn
    const native = this.#native
    this.#native = undefined
    this.#opening = true
    native?.close()
    setImmediate(() => {
      if (reason === 'expired') this.#expire()
      else this.#suspend(performance.now())
      if (turn !== this.#turn || this.#state === 'closed') return
      this.#opening = false
      if (this.#attempts === 0) this.#replace()
    })
  }

  #alive(): void {
    if (this.#condemned) {
      this.#condemned = false
      this.#credentials = undefined
      this.#replace()
      return
    }
    this.#attempts = 0
    this.#suspendedAtMs = undefined
    this.#timeoutMs = this.#native?.timeout ?? this.#timeoutMs
    this.id = this.#credentials?.client_id ?? ''
    this.#say('connected')
  }

  #expire(): void {
    const known = this.#suspendedAtMs !== undefined || this.#state === 'connected'
    this.#credentials = undefined
    this.#attempts = 0
    if (known) this.#lose()
    this.#condemned = false
  }
}
