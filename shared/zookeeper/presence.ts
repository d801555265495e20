// Presence: one ephemeral node says that somebody is alive, and a watcher follows it for thousands of hosts.
//
// On suspended: the node still stands; the watcher's picture may be out of date. On lost: the node is gone or
// will be; it is made again with the new session, and the watcher reads everything again.
import { ArmadaError, messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { Bell } from '../loop.ts'
import { namePattern } from '../model/name.ts'
import type { Stat, ZooKeeper } from './client.ts'
import { isKeeper, isPassing } from './keeperError.ts'
import { paths } from './paths.ts'
import { each, persistently } from './persistence.ts'

export interface PresenceOptions {
  signal: AbortSignal
  log: Log
  /** Whether the node of another session, with that data, is one that we replace at once. */
  takeOver?: (existing: unknown) => boolean
}

export interface Presence {
  /**
   * Resolves when the signal has fired and the node is removed. Rejects with ArmadaError `conflict` when,
   * after a lost session, somebody else has come and stays.
   */
  readonly ended: Promise<void>
}

const neverMs = 2 ** 31 - 1

/**
 * Keeps the ephemeral node at `path`, whatever becomes of sessions and of the node. Resolves when it stands.
 * @throws ArmadaError `conflict` when another session holds it for longer than two session timeouts.
 */
export function keepPresent(
  zk: ZooKeeper,
  path: string,
  data: object,
  options: PresenceOptions,
): Promise<Presence> {
  return new Promise((resolve, reject) => {
    const ended: Promise<void> = keep(zk, path, data, options, () => resolve({ ended }))
    ended.then(() => resolve({ ended }), reject)
  })
}

async function keep(
  zk: ZooKeeper,
  path: string,
  data: object,
  options: PresenceOptions,
  onStanding: () => void,
): Promise<void> {
  const { signal, log, takeOver = () => false } = options
  const bell = new Bell()
  const stopPath = zk.onPath(path, bell.ring)
  const stopState = zk.onState(bell.ring)
  let rival: { session: string; sinceMs: number } | undefined
  try {
    while (!signal.aborted) {
      let waitMs = neverMs
      try {
        const stat = await zk.exists(path, true)
        if (!stat) {
          await create(zk, path, data)
          continue
        }
        if (stat.ephemeralOwner === zk.sessionId) {
          rival = undefined
          onStanding()
        } else {
          if (rival?.session !== stat.ephemeralOwner) {
            rival = { session: stat.ephemeralOwner, sinceMs: performance.now() }
            const existing = parsed((await zk.get(path))?.data)
            log.warn(
              { path, existing, session: stat.ephemeralOwner },
              'present already under another session',
            )
            if (takeOver(existing)) {
              await removeOf(zk, path, stat)
              continue
            }
          }
          waitMs = rival.sinceMs + 2 * zk.sessionTimeoutMs + 1_000 - performance.now()
          if (waitMs <= 0) throw taken(path, stat)
        }
      } catch (error) {
        if (!isPassing(error)) throw error
        waitMs = 1_000
      }
      await bell.wait(waitMs, signal)
    }
  } finally {
    stopPath()
    stopState()
  }
  await remove(zk, path).catch((error: unknown) => {
    log.warn({ path, error: messageOf(error) }, 'our presence ends with the session')
  })
}

async function create(zk: ZooKeeper, path: string, data: object): Promise<void> {
  try {
    await zk.create(path, JSON.stringify(data), 'ephemeral')
  } catch (error) {
    if (isKeeper(error, 'no_node')) await zk.ensurePath(path.slice(0, path.lastIndexOf('/')))
    else if (!isKeeper(error, 'node_exists')) throw error
  }
}

async function remove(zk: ZooKeeper, path: string): Promise<void> {
  await persistently(zk, { limitMs: 2_000 }, async () => {
    const stat = await zk.exists(path)
    if (stat?.ephemeralOwner === zk.sessionId) await zk.delete(path)
  })
}

/** Removes the node that was seen, not one that somebody has put in its place. */
async function removeOf(zk: ZooKeeper, path: string, seen: Stat): Promise<void> {
  const now = await zk.exists(path)
  if (now?.czxid === seen.czxid) await zk.delete(path)
}

function parsed(data: Buffer | undefined): unknown {
  try {
    return JSON.parse(String(data))
  } catch {
    return undefined
  }
}

function taken(path: string, stat: Stat): ArmadaError {
  return new ArmadaError(
    'conflict',
    `${path} is held by another session (0x${stat.ephemeralOwner}, since ${stat.ctime.toISOString()}). ` +
      'Another process runs under the same id: stop it, or give this one an id of its own.',
  )
}

/** All hosts with whether they are present, and the ids of those that came, went or changed. */
export type PresenceListener = (hosts: ReadonlyMap<string, boolean>, changed: readonly string[]) => void

/**
 * Follows which hosts there are and which of them are present, until the signal fires. The first call of
 * `onChange` carries the whole picture. Costs one request per host at the start and after each reconnection,
 * then one per change.
 */
export async function watchPresence(
  zk: ZooKeeper,
  signal: AbortSignal,
  onChange: PresenceListener,
): Promise<void> {
  const watcher = new PresenceWatcher(zk)
  try {
    for (let first = true; !signal.aborted; ) {
      let waitMs = neverMs
      try {
        await watcher.refresh()
        if (signal.aborted) return
        const changed = watcher.takeChanged()
        if (first || changed.length > 0) onChange(watcher.hosts, changed)
        first = false
      } catch (error) {
        if (!isPassing(error)) throw error
        watcher.doubt()
        waitMs = 1_000
      }
      await watcher.bell.wait(waitMs, signal)
    }
  } finally {
    watcher.stop()
  }
}

class PresenceWatcher {
  readonly hosts = new Map<string, boolean>()
  readonly bell = new Bell()
  readonly #zk: ZooKeeper
  readonly #stops: (() => void)[]
  readonly #changed = new Set<string>()
  #ids = new Set<string>()
  /** Hosts whose presence has to be asked for. */
  #unsure = new Set<string>()
  #listed = false

  constructor(zk: ZooKeeper) {
    this.#zk = zk
    this.#stops = [
      zk.onEvent((_event, path) => this.#hear(path)),
      zk.onState((state) => {
        if (state !== 'connected') return
        this.doubt()
        this.bell.ring()
      }),
    ]
  }

  /** Everything has to be asked for again. */
  doubt(): void {
    this.#listed = false
    for (const id of this.hosts.keys()) this.#unsure.add(id)
  }

  /** What is marked here, before the answer, is asked for again: an event during a request is not lost. */
  async refresh(): Promise<void> {
    if (!this.#listed) {
      this.#listed = true
      const names = (await this.#zk.children(paths.workers, true)) ?? []
      this.#ids = new Set(names.filter((name) => namePattern.test(name)))
      for (const id of this.#ids) if (!this.hosts.has(id)) this.#unsure.add(id)
      for (const id of this.hosts.keys()) if (!this.#ids.has(id)) this.#set(id, undefined)
    }
    const ids = [...this.#unsure].filter((id) => this.#ids.has(id))
    this.#unsure = new Set()
    await each(ids, 128, async (id) => {
      const stat = await this.#zk.exists(paths.workerPresence(id), true)
      this.#set(id, stat !== undefined)
    })
  }

  takeChanged(): string[] {
    const changed = [...this.#changed]
    this.#changed.clear()
    return changed
  }

  stop(): void {
    for (const stop of this.#stops) stop()
  }

  #set(id: string, present: boolean | undefined): void {
    if (this.hosts.get(id) === present) return
    if (present === undefined) this.hosts.delete(id)
    else this.hosts.set(id, present)
    this.#changed.add(id)
  }

  #hear(path: string): void {
    const [, id] = /^\/armada\/worker\/([^/]+)\/presence$/.exec(path) ?? []
    if (id !== undefined) this.#unsure.add(id)
    else if (path === paths.workers) this.#listed = false
    else return
    this.bell.ring()
  }
}
