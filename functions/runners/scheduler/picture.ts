// Picture: keeps the board like ZooKeeper's tree, by reading again what has changed.
//
// INVARIANTS
// - Who is there is told by the attendance. Of a host that is there, the advice has a watch; reading it leaves
//   the next one.
// - Watches end with the connection: after every reconnection everything is read again.
// - What is in a host's box is read when its agent is found present, and not watched: from then on only this
//   leader puts ships into it.
// - A host is on the board while its agent's presence node stands and its description can be read.
// - Changes that come while others are being read are read together, a few requests at a time.
import type { Log } from '../../../shared/log.ts'
import { Bell, loop } from '../../../shared/loop.ts'
import { Advice } from '../../../shared/model/holding.ts'
import type { HostDescription } from '../../../shared/model/host.ts'
import { holdingOf, type Job, type StartJob } from '../../../shared/model/job.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import type { Mailboxes } from '../../../shared/zookeeper/mailbox.ts'
import { paths } from '../../../shared/zookeeper/paths.ts'
import { each, persistently } from '../../../shared/zookeeper/persistence.ts'
import type { Attendance } from './attendance.ts'
import type { Board } from './board.ts'
import { readableAs } from './readableAs.ts'

const requestsInFlight = 64
/** Watches do not get lost within a connection, so this is only the longest trust in that. */
const longestTrustMs = 600_000

interface Known {
  advice: Advice | undefined
  adviceStale: boolean
  boxStale: boolean
  /** Jobs of its box that are not on the board yet. */
  starts: readonly StartJob[]
  /** The description with the labels that people gave; the same object as long as neither changes. */
  labelled: { of: HostDescription; own: string; description: HostDescription } | undefined
  /** What is wrong with its nodes. */
  unreadable: string | undefined
}

export interface PictureOptions {
  zk: ZooKeeper
  attendance: Attendance
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
  readonly #advised = new Map<string, string>()
  readonly #stale = new Set<string>()
  readonly #bell = new Bell()
  readonly #completed = new Bell()
  #complete = false
  #recalled = false

  constructor(options: PictureOptions) {
    this.#options = options
  }

  /** Resolves when everything has been read once, or when the signal fires. For one at a time. */
  async complete(signal: AbortSignal): Promise<void> {
    while (!this.#complete && !signal.aborted) await this.#completed.wait(longestTrustMs, signal)
  }

  /** Follows the tree until the signal fires. */
  async follow(signal: AbortSignal): Promise<void> {
    const { zk, attendance, log } = this.#options
    const stopEvents = zk.onEvent((_event, path) => this.#hear(path))
    const stopStates = zk.onState((state) => {
      if (state === 'connected') this.#doubtAll()
    })
    const stopAttendance = attendance.onChange((id) => this.#doubt(id))
    try {
      await attendance.complete(signal)
      for (const id of attendance.hosts.keys()) this.#doubt(id)
      const options = { name: 'picture', everyMs: longestTrustMs, signal, log, bell: this.#bell }
      await loop(options, () => this.#refresh(signal))
    } finally {
      stopEvents()
      stopStates()
      stopAttendance()
    }
  }

  #hear(path: string): void {
    const id = this.#advised.get(path)
    const known = id !== undefined && this.#hosts.get(id)
    if (!known) return
    known.adviceStale = true
    this.#doubt(id)
  }

  #doubt(id: string): void {
    this.#stale.add(id)
    this.#bell.ring()
  }

  #doubtAll(): void {
    for (const [id, known] of this.#hosts) {
      known.adviceStale = true
      this.#doubt(id)
    }
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const stale = [...this.#stale]
    this.#stale.clear()
    try {
      await each(stale, requestsInFlight, (id) => this.#read(id, signal))
    } catch (error) {
      for (const id of stale) this.#stale.add(id)
      throw error
    } finally {
      // Once for all of them: a new leader finds ships in a thousand boxes, and each question names all that there are.
      if (this.#recalled) this.#options.onRecalled()
      this.#recalled = false
    }
    this.#complete = true
    this.#completed.ring()
    if (stale.length > 0) this.#options.onChange()
  }

  async #read(id: string, signal: AbortSignal): Promise<void> {
    const { attendance, board, boxes } = this.#options
    const host = attendance.hosts.get(id)
    if (!host?.present || !host.description) {
      this.#hosts.delete(id)
      this.#advised.delete(paths.advisor(id))
      board.remove(id)
      if (!host) boxes.forget(id)
      return
    }
    const known = this.#hosts.get(id) ?? unknown()
    this.#hosts.set(id, known)
    this.#advised.set(paths.advisor(id), id)
    // Side by side, because a new leader reads them of all hosts before it places anything.
    await Promise.all([
      known.adviceStale && this.#readAdvice(id, known, signal),
      known.boxStale && this.#readBox(id, known, signal),
    ])
    // What has changed meanwhile is looked at once more; a host that has gone meanwhile is not shown before.
    const { present, description } = host
    if (present && description) this.#show(id, description, known)
  }

  async #readBox(id: string, known: Known, signal: AbortSignal): Promise<void> {
    const jobs = (await this.#options.boxes.read(id, signal)) ?? []
    known.starts = jobs.filter((job) => job.kind === 'start')
    known.boxStale = false
  }

  async #readAdvice(id: string, known: Known, signal: AbortSignal): Promise<void> {
    const { zk, log } = this.#options
    known.adviceStale = false
    try {
      const found = await persistently(zk, { signal }, () => zk.get(paths.advisor(id), true))
      known.advice = readableAs(Advice, found?.data, { host: id, part: 'advice' }, log)
      known.unreadable = found?.data.length && !known.advice ? 'what it carries cannot be read' : undefined
    } catch (error) {
      known.adviceStale = true
      throw error
    }
  }

  #show(id: string, described: HostDescription, known: Known): void {
    const { board } = this.#options
    const { advice, unreadable } = known
    const description = labelled(described, known)
    const cordoned = advice?.cordoned == null ? null : `cordoned: ${advice.cordoned}`
    const degraded = unreadable ?? cordoned ?? advice?.degraded ?? null
    const shown = board.host(id)
    if (shown?.description !== description || shown.degraded !== degraded)
      board.put({ description, degraded })
    // Unreadable advice leaves what was last known of the host's use.
    if (!unreadable) board.see(id, advice?.holdings ?? [], advice?.ended)
    const ended = new Map(advice?.ended.map(({ ship, attempt }) => [ship, attempt]))
    for (const start of known.starts) {
      if ((ended.get(start.ship) ?? 0) >= start.attempt) continue
      if (board.recall(id, holdingOf(start), Number.NEGATIVE_INFINITY)) this.#recalled = true
    }
    known.starts = []
  }
}

function unknown(): Known {
  const nothing = { advice: undefined, starts: [], labelled: undefined, unreadable: undefined }
  return { adviceStale: true, boxStale: true, ...nothing }
}

/** The labels that people gave win over those that the agent registered. */
function labelled(of: HostDescription, known: Known): HostDescription {
  const { advice } = known
  const own = JSON.stringify(advice?.labels ?? {})
  if (known.labelled?.of !== of || known.labelled.own !== own) {
    const labels = { ...of.labels, ...advice?.labels }
    known.labelled = { of, own, description: own === '{}' ? of : { ...of, labels } }
  }
  return known.labelled.description
}
