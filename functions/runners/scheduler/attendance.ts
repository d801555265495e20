// Attendance: which hosts there are, how they describe themselves, and whether their agents are there.
//
// Every candidate follows it, not only the leader: it changes when an agent comes or goes and not with the ships,
// and is half of what a new leader would have to read of each host before it may place anything.
//
// INVARIANTS
// - Every node of which something is known has a watch; reading it leaves the next one.
// - Watches end with the connection: after every reconnection everything is read again, and it is not complete
//   until that is done.
// - Changes that come while others are being read are read together, a few requests at a time.
import type { Log } from '../../../shared/log.ts'
import { Bell, loop } from '../../../shared/loop.ts'
import { HostDescription } from '../../../shared/model/host.ts'
import { namePattern } from '../../../shared/model/name.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { paths } from '../../../shared/zookeeper/paths.ts'
import { each, persistently } from '../../../shared/zookeeper/persistence.ts'
import { readableAs } from './readableAs.ts'

const requestsInFlight = 64
/** Watches do not get lost within a connection, so this is only the longest trust in that. */
const longestTrustMs = 600_000

type Part = 'description' | 'presence'
const parts: readonly Part[] = ['description', 'presence']

interface Attendant {
  /** Undefined when it cannot be read. */
  description: HostDescription | undefined
  present: boolean
}

export class Attendance {
  readonly #zk: ZooKeeper
  readonly #log: Log
  readonly #hosts = new Map<string, Attendant>()
  readonly #watched = new Map<string, { id: string; part: Part }>()
  readonly #stale = new Map<string, Set<Part>>()
  readonly #listeners = new Set<(id: string) => void>()
  readonly #bell = new Bell()
  readonly #completed = new Bell()
  #complete = false
  #connections = 0
  #listStale = true

  constructor(zk: ZooKeeper, log: Log) {
    this.#zk = zk
    this.#log = log
  }

  get hosts(): ReadonlyMap<string, Readonly<Attendant>> {
    return this.#hosts
  }

  /** Hears of each host that came, left, or is not what it was. Returns how to stop listening. */
  onChange(listener: (id: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when everything has been read on this connection, or when the signal fires. For one at a time. */
  async complete(signal: AbortSignal): Promise<void> {
    while (!this.#complete && !signal.aborted) await this.#completed.wait(longestTrustMs, signal)
  }

  /** Follows the tree until the signal fires. */
  async follow(signal: AbortSignal): Promise<void> {
    const stopEvents = this.#zk.onEvent((_event, path) => this.#hear(path))
    const stopStates = this.#zk.onState((state) => {
      if (state === 'connected') this.#doubtAll()
    })
    try {
      const options = {
        name: 'attendance',
        everyMs: longestTrustMs,
        signal,
        log: this.#log,
        bell: this.#bell,
      }
      await loop(options, () => this.#refresh(signal))
    } finally {
      stopEvents()
      stopStates()
    }
  }

  #hear(path: string): void {
    const node = this.#watched.get(path)
    if (path === paths.workers) this.#listStale = true
    else if (node) this.#doubt(node.id, [node.part])
    else return
    this.#bell.ring()
  }

  #doubt(id: string, some: Iterable<Part>): void {
    const stale = this.#stale.get(id) ?? new Set()
    this.#stale.set(id, stale)
    for (const part of some) stale.add(part)
  }

  #doubtAll(): void {
    this.#connections++
    this.#complete = false
    this.#listStale = true
    for (const id of this.#hosts.keys()) this.#doubt(id, parts)
    this.#bell.ring()
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const connection = this.#connections
    if (this.#listStale) await this.#list(signal)
    const stale = [...this.#stale]
    this.#stale.clear()
    try {
      await each(stale, requestsInFlight, ([id, some]) => this.#read(id, some, signal))
    } catch (error) {
      for (const [id, some] of stale) this.#doubt(id, some)
      throw error
    }
    if (connection !== this.#connections) return
    this.#complete = true
    this.#completed.ring()
  }

  async #list(signal: AbortSignal): Promise<void> {
    this.#listStale = false
    try {
      const read = () => this.#zk.children(paths.workers, true)
      const names = (await persistently(this.#zk, { signal }, read)) ?? []
      const listed = new Set(names.filter((name) => namePattern.test(name)))
      for (const id of listed) {
        const known = this.#hosts.get(id)
        // One whose node was away for a moment has no watch on it.
        if (known?.description) continue
        if (!known) this.#hosts.set(id, { description: undefined, present: false })
        this.#watched.set(paths.worker(id), { id, part: 'description' })
        this.#watched.set(paths.workerPresence(id), { id, part: 'presence' })
        this.#doubt(id, parts)
      }
      for (const id of this.#hosts.keys()) if (!listed.has(id)) this.#forget(id)
    } catch (error) {
      this.#listStale = true
      throw error
    }
  }

  #forget(id: string): void {
    this.#hosts.delete(id)
    this.#stale.delete(id)
    for (const path of [paths.worker(id), paths.workerPresence(id)]) this.#watched.delete(path)
    for (const listener of this.#listeners) listener(id)
  }

  async #read(id: string, some: ReadonlySet<Part>, signal: AbortSignal): Promise<void> {
    const host = this.#hosts.get(id)
    if (!host) return
    // Side by side, because a new leader reads them of all hosts before it places anything.
    const [presence, described] = await Promise.all([
      some.has('presence') && this.#ask(signal, () => this.#zk.exists(paths.workerPresence(id), true)),
      some.has('description') && this.#ask(signal, () => this.#zk.get(paths.worker(id), true)),
    ])
    if (presence !== false) host.present = presence !== undefined
    if (described !== false) host.description = this.#described(id, described?.data)
    for (const listener of this.#listeners) listener(id)
  }

  #ask<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
    return persistently(this.#zk, { signal }, request)
  }

  #described(id: string, data: Buffer | undefined): HostDescription | undefined {
    const description = readableAs(HostDescription, data, { host: id, part: 'description' }, this.#log)
    if (!description || description.id === id) return description
    this.#log.error({ host: id, says: description.id }, 'a host describes itself under another id')
    return undefined
  }
}
