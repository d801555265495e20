// Picture: keeps the board like ZooKeeper's tree, by reading again what its watches say has changed.
//
// INVARIANTS
// - Every node of which something is on the board has a watch; reading it leaves the next one.
// - Watches end with the connection: after every reconnection everything is read again.
// - What is in a host's box is read when its agent is found present, and not watched: from then on only this
//   leader puts ships into it.
// - A host is on the board while its agent's presence node stands and its description can be read.
// - Changes that come while others are being read are read together, a few requests at a time.
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { Bell, loop } from '../../../shared/loop.ts'
import { Advice } from '../../../shared/model/holding.ts'
import { HostDescription } from '../../../shared/model/host.ts'
import { holdingOf, type Job, type StartJob } from '../../../shared/model/job.ts'
import { namePattern } from '../../../shared/model/name.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import type { Mailboxes } from '../../../shared/zookeeper/mailbox.ts'
import { paths } from '../../../shared/zookeeper/paths.ts'
import { each, persistently } from '../../../shared/zookeeper/persistence.ts'
import type { Board } from './board.ts'

const requestsInFlight = 64
/** Watches do not get lost within a connection, so this is only the longest trust in that. */
const longestTrustMs = 600_000

type Part = 'description' | 'presence' | 'advice'

interface Known {
  description: HostDescription | undefined
  present: boolean
  advice: Advice | undefined
  /** Jobs of its box that are not on the board yet. */
  starts: readonly StartJob[]
  /** The description with the labels that people gave; the same object as long as neither changes. */
  labelled: { of: HostDescription; own: string; description: HostDescription } | undefined
  /** What is wrong with its nodes. */
  unreadable: string | undefined
}

export interface PictureOptions {
  zk: ZooKeeper
  board: Board
  boxes: Mailboxes<Job>
  log: Log
  /** Ships were found in a box that no advice shows; they may be long gone. */
  onRecalled: () => void
  /** Called after every change of the board. */
  onChange: () => void
}

export class Picture {
  readonly #options: PictureOptions
  readonly #hosts = new Map<string, Known>()
  readonly #watched = new Map<string, { id: string; part: Part }>()
  readonly #stale = new Map<string, Set<Part>>()
  readonly #bell = new Bell()
  readonly #completed = new Bell()
  #complete = false
  #listStale = true

  constructor(options: PictureOptions) {
    this.#options = options
  }

  /** Resolves when everything has been read once, or when the signal fires. */
  async complete(signal: AbortSignal): Promise<void> {
    while (!this.#complete && !signal.aborted) await this.#completed.wait(longestTrustMs, signal)
  }

  /** Follows the tree until the signal fires. */
  async follow(signal: AbortSignal): Promise<void> {
    const { zk, log } = this.#options
    const stopEvents = zk.onEvent((_event, path) => this.#hear(path))
    const stopStates = zk.onState((state) => {
      if (state === 'connected') this.#doubtAll()
    })
    try {
      const options = { name: 'picture', everyMs: longestTrustMs, signal, log, bell: this.#bell }
      await loop(options, () => this.#refresh(signal))
    } finally {
      stopEvents()
      stopStates()
    }
  }

  #hear(path: string): void {
    if (path === paths.workers) this.#listStale = true
    else {
      const node = this.#watched.get(path)
      if (!node) return
      this.#doubt(node.id, node.part)
    }
    this.#bell.ring()
  }

  #doubt(id: string, ...parts: Part[]): void {
    const stale = this.#stale.get(id) ?? new Set()
    this.#stale.set(id, stale)
    for (const part of parts) stale.add(part)
  }

  #doubtAll(): void {
    this.#listStale = true
    for (const id of this.#hosts.keys()) this.#doubt(id, 'description', 'presence', 'advice')
    this.#bell.ring()
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    if (this.#listStale) await this.#list(signal)
    const stale = [...this.#stale]
    this.#stale.clear()
    try {
      await each(stale, requestsInFlight, ([id, parts]) => this.#read(id, parts, signal))
    } catch (error) {
      for (const [id, parts] of stale) this.#doubt(id, ...parts)
      throw error
    }
    this.#complete = true
    this.#completed.ring()
    if (stale.length > 0) this.#options.onChange()
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { zk, board, boxes } = this.#options
    this.#listStale = false
    try {
      const names = (await persistently(zk, { signal }, () => zk.children(paths.workers, true))) ?? []
      const listed = new Set(names.filter((name) => namePattern.test(name)))
      for (const id of listed) {
        if (this.#hosts.has(id)) continue
        this.#hosts.set(id, {
          description: undefined,
          present: false,
          advice: undefined,
          starts: [],
          labelled: undefined,
          unreadable: undefined,
        })
        this.#watched.set(paths.worker(id), { id, part: 'description' })
        this.#watched.set(paths.workerPresence(id), { id, part: 'presence' })
        this.#watched.set(paths.advisor(id), { id, part: 'advice' })
        this.#doubt(id, 'description', 'presence', 'advice')
      }
      for (const id of this.#hosts.keys()) {
        if (listed.has(id)) continue
        this.#hosts.delete(id)
        this.#stale.delete(id)
        for (const path of [paths.worker(id), paths.workerPresence(id), paths.advisor(id)]) {
          this.#watched.delete(path)
        }
        board.remove(id)
        boxes.forget(id)
      }
    } catch (error) {
      this.#listStale = true
      throw error
    }
  }

  async #read(id: string, parts: ReadonlySet<Part>, signal: AbortSignal): Promise<void> {
    const known = this.#hosts.get(id)
    if (!known) return
    // Side by side, because a new leader reads them of all hosts before it places anything.
    await Promise.all([
      parts.has('presence') && this.#readPresence(id, known, signal),
      parts.has('description') && this.#readDescription(id, known, signal),
      parts.has('advice') && this.#readAdvice(id, known, signal),
    ])
    this.#show(id, known)
  }

  async #readPresence(id: string, known: Known, signal: AbortSignal): Promise<void> {
    const { zk, boxes } = this.#options
    const path = paths.workerPresence(id)
    const present = (await persistently(zk, { signal }, () => zk.exists(path, true))) !== undefined
    if (present && !known.present) {
      const jobs = (await boxes.read(id, signal)) ?? []
      known.starts = jobs.filter((job) => job.kind === 'start')
    }
    known.present = present
  }

  async #readDescription(id: string, known: Known, signal: AbortSignal): Promise<void> {
    const found = await this.#value(paths.worker(id), signal)
    known.description = this.#parse(id, 'description', found, HostDescription)
    if (known.description && known.description.id !== id) {
      const fields = { host: id, says: known.description.id }
      this.#options.log.error(fields, 'a host describes itself under another id')
      known.description = undefined
    }
  }

  async #readAdvice(id: string, known: Known, signal: AbortSignal): Promise<void> {
    const found = await this.#value(paths.advisor(id), signal)
    known.advice = this.#parse(id, 'advice', found, Advice)
    known.unreadable = found?.length && !known.advice ? 'what it carries cannot be read' : undefined
  }

  async #value(path: string, signal: AbortSignal): Promise<Buffer | undefined> {
    const { zk } = this.#options
    return (await persistently(zk, { signal }, () => zk.get(path, true)))?.data
  }

  #show(id: string, known: Known): void {
    const { board, onRecalled } = this.#options
    const { present, advice, unreadable } = known
    const description = labelled(known)
    if (!present || !description) {
      board.remove(id)
      return
    }
    const cordoned = advice?.cordoned == null ? null : `cordoned: ${advice.cordoned}`
    const degraded = unreadable ?? cordoned ?? advice?.degraded ?? null
    const shown = board.host(id)
    if (shown?.description !== description || shown.degraded !== degraded)
      board.put({ description, degraded })
    // Unreadable advice leaves what was last known of the host's use.
    if (!unreadable) board.see(id, advice?.holdings ?? [], advice?.ended)
    const ended = new Map(advice?.ended.map(({ ship, attempt }) => [ship, attempt]))
    let recalled = false
    for (const start of known.starts) {
      if ((ended.get(start.ship) ?? 0) >= start.attempt) continue
      recalled = board.recall(id, holdingOf(start), Number.NEGATIVE_INFINITY) || recalled
    }
    known.starts = []
    if (recalled) onRecalled()
  }

  #parse<T>(
    id: string,
    part: Part,
    data: Buffer | undefined,
    schema: { parse(value: unknown): T },
  ): T | undefined {
    if (!data?.length) return undefined
    try {
      return schema.parse(JSON.parse(data.toString()))
    } catch (error) {
      this.#options.log.error({ host: id, part, error: messageOf(error) }, 'a node of a host cannot be read')
      return undefined
    }
  }
}

/** The labels that people gave win over those that the agent registered. */
function labelled(known: Known): HostDescription | undefined {
  const { description: of, advice } = known
  if (!of) return undefined
  const own = JSON.stringify(advice?.labels ?? {})
  if (known.labelled?.of !== of || known.labelled.own !== own) {
    const labels = { ...of.labels, ...advice?.labels }
    known.labelled = { of, own, description: own === '{}' ? of : { ...of, labels } }
  }
  return known.labelled.description
}
