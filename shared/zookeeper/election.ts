// Leader election: one of the candidates leads at a time, the next one follows in its order.
//
// On suspended: leadership ends at once (its signal fires); when the same session comes back and the node is
// still there, the candidate stands again with it. On lost, and when somebody deletes the node: leadership
// ends, and the candidate stands again at the end of the line, with a new node.
// A process that was frozen may still run a few lines as the old leader: every read of `signal.aborted` looks
// at the clock first, and whoever receives its writes has to refuse them. The name of the node, which never
// comes again, tells whose they are; its czxid is the higher one for the later leader, but only as long as
// ZooKeeper keeps its data.
import { randomUUID } from 'node:crypto'
import { ArmadaError, messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { Bell, backoffMs, sleep, within } from '../loop.ts'
import type { ZooKeeper } from './client.ts'
import { sequenceOf } from './enqueue.ts'
import { isKeeper, isPassing } from './keeperError.ts'
import { persistently } from './persistence.ts'

export interface Leadership {
  /** Name of our node, as `leaderOf` tells it to others. */
  node: string
  /** Number of the change that created our node. */
  czxid: number
  /** Fires when leadership has ended, or may have. */
  signal: AbortSignal
}

type Won = Omit<Leadership, 'signal'>

export interface StandOptions {
  /** Who we are; written into the node for people to read. */
  id: string
  signal: AbortSignal
  log: Log
  /** How long `lead` may take to end after its signal; then its end is not waited for. */
  endLimitMs?: number
}

const neverMs = 2 ** 31 - 1

/**
 * Stands for election until the signal fires, and calls `lead` whenever it wins. When `lead` returns or
 * throws, leadership is given away and the candidate stands again. On stop the next one leads within ms.
 */
export async function stand(
  zk: ZooKeeper,
  path: string,
  options: StandOptions,
  lead: (leadership: Leadership) => Promise<void>,
): Promise<void> {
  const { id, signal, log, endLimitMs = 10_000 } = options
  const candidate = new Candidate(zk, path, id)
  let failures = 0
  while (!signal.aborted) {
    let term: Term | undefined
    try {
      await zk.connected(signal)
      term = new Term(zk, signal, log)
      const won = await candidate.wins(term)
      if (won === undefined) continue
      log.info({ path, id, node: won.node }, 'leads')
      const fate = await term.serve(lead, won, endLimitMs)
      log.info({ path, id, node: won.node, fate }, 'leads no more')
      failures = fate === 'failed' ? failures + 1 : 0
      if (fate === 'fired') continue
      await candidate.withdraw()
      await sleep(backoffMs(failures, 50, 5_000), signal)
    } catch (error) {
      if (signal.aborted) break
      if (isKeeper(error, 'no_node')) await zk.ensurePath(path).catch(() => undefined)
      else if (!isPassing(error) && !(error instanceof ArmadaError)) throw error
      await sleep(backoffMs(failures++, 50, 5_000), signal)
    } finally {
      term?.end()
    }
  }
  await candidate.withdraw().catch((error: unknown) => {
    log.warn({ path, id, error: messageOf(error) }, 'the node of this candidate stays until its session ends')
  })
}

/** The name of the node that leads now, as the majority of the servers knows it; undefined: nobody stands. */
export async function leaderOf(zk: ZooKeeper, path: string): Promise<string | undefined> {
  await zk.sync(path)
  const names = (await zk.children(path)) ?? []
  return names.reduce<string | undefined>(
    (first, name) => (first === undefined || sequenceOf(name) < sequenceOf(first) ? name : first),
    undefined,
  )
}

/** Our node in the line. */
class Candidate {
  readonly #zk: ZooKeeper
  readonly #path: string
  readonly #id: string
  #session = ''
  #stem = ''

  constructor(zk: ZooKeeper, path: string, id: string) {
    this.#zk = zk
    this.#path = path
    this.#id = id
  }

  /** Waits until our node is the first in the line; returns it, or nothing when the term is over. */
  async wins(term: Term): Promise<Won | undefined> {
    while (!term.signal.aborted) {
      if (this.#session !== this.#zk.sessionId || !this.#stem) this.#renew()
      const names = (await this.#zk.children(this.#path)) ?? []
      // By its guid, because the answer to our create may have been lost.
      const own = names.find((name) => name.startsWith(this.#stem))
      if (!own) {
        await this.#zk.create(`${this.#path}/${this.#stem}`, this.#id, 'ephemeral_sequential')
        continue
      }
      term.endWith(`${this.#path}/${own}`)
      const stat = await this.#zk.exists(`${this.#path}/${own}`, true)
      if (stat?.ephemeralOwner !== this.#zk.sessionId) {
        this.#renew()
        continue
      }
      const before = names
        .filter((name) => sequenceOf(name) < sequenceOf(own))
        .reduce((last, name) => (!last || sequenceOf(name) > sequenceOf(last) ? name : last), '')
      if (!before) return term.signal.aborted ? undefined : { node: own, czxid: stat.czxid }
      await term.whileExists(`${this.#path}/${before}`)
    }
    return undefined
  }

  /** Deletes our node, so that the next one leads. */
  async withdraw(): Promise<void> {
    const stem = this.#stem
    if (!stem || this.#session !== this.#zk.sessionId) return
    await persistently(this.#zk, { limitMs: 2_000 }, async () => {
      for (const name of (await this.#zk.children(this.#path)) ?? []) {
        if (name.startsWith(stem)) await this.#zk.delete(`${this.#path}/${name}`)
      }
    })
    this.#stem = ''
  }

  #renew(): void {
    this.#session = this.#zk.sessionId
    this.#stem = `c-${randomUUID().replaceAll('-', '').slice(0, 20)}-`
  }
}

/** One unbroken time of being connected and in the line, at the end of which perhaps of leading. */
class Term {
  readonly #zk: ZooKeeper
  readonly #log: Log
  readonly #over = new AbortController()
  readonly #bell = new Bell()
  readonly #stops: (() => void)[] = []
  readonly #ended: Promise<'fired'>
  readonly signal: AbortSignal

  constructor(zk: ZooKeeper, signal: AbortSignal, log: Log) {
    this.#zk = zk
    this.#log = log
    this.signal = watchful(this.#over.signal, zk)
    this.#ended = new Promise((resolve) =>
      this.#over.signal.addEventListener('abort', () => resolve('fired')),
    )
    const fire = (): void => this.#over.abort()
    signal.addEventListener('abort', fire)
    this.#stops.push(
      () => signal.removeEventListener('abort', fire),
      zk.onState((state) => state !== 'connected' && fire()),
    )
    if (signal.aborted || zk.state !== 'connected') fire()
  }

  /** Fires when our own node is deleted. */
  endWith(node: string): void {
    this.#stops.push(this.#zk.onPath(node, (event) => event === 'deleted' && this.#over.abort()))
  }

  async whileExists(node: string): Promise<void> {
    const stop = this.#zk.onPath(node, this.#bell.ring)
    try {
      if (await this.#zk.exists(node, true)) await this.#bell.wait(neverMs, this.#over.signal)
    } finally {
      stop()
    }
  }

  /** Runs `lead`; when the signal has fired, its end is awaited for at most `endLimitMs`. */
  async serve(
    lead: (leadership: Leadership) => Promise<void>,
    won: Won,
    endLimitMs: number,
  ): Promise<'fired' | 'returned' | 'failed' | 'overdue'> {
    const led = lead({ ...won, signal: this.signal }).then(
      () => 'returned' as const,
      (error: unknown) => {
        this.#log.warn({ node: won.node, error: messageOf(error) }, 'leading failed')
        return 'failed' as const
      },
    )
    const fate = await Promise.race([led, this.#ended])
    if (fate !== 'fired') return fate
    return within(led, endLimitMs, () => new Error('overdue')).then(
      () => 'fired',
      () => {
        this.#log.error(
          { node: won.node, endLimitMs },
          'leading did not end after its signal; standing again',
        )
        return 'overdue'
      },
    )
  }

  end(): void {
    this.#over.abort()
    for (const stop of this.#stops) stop()
  }
}

/** After a freeze any callback may run ahead of the clock; so whoever asks `aborted` asks the clock as well. */
function watchful(signal: AbortSignal, zk: ZooKeeper): AbortSignal {
  const plain = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')
  return Object.defineProperty(signal, 'aborted', {
    get: () => zk.state !== 'connected' || plain?.get?.call(signal),
  })
}
