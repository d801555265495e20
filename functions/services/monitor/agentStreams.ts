// The streams that agents hold open to this ApiServer, and when to call an agent through its stream.
import type { Host } from '../../../shared/model/host.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import type { Row, Table } from '../../stores/mirror/table.ts'
import { selfOf } from '../changes/words.ts'

/** Changes of one host within this time make one call. */
const gatherMs = 300

export type AgentEvent = 'resync' | 'session' | 'ship'

export interface AgentStream {
  call(event: AgentEvent, data: string): void
  end(): void
}

/** An agent has one, and a moment longer the one that broke; whoever opens more loses the oldest. */
const mostOfHost = 4

export class AgentStreams {
  #open = new Map<string, Set<AgentStream>>()
  #due = new Map<string, NodeJS.Timeout>()
  /** Of the last change of a ship that was seen here. */
  #revision = 0
  #close!: () => void
  readonly whenClosed: Promise<void>
  closed = false

  constructor(ships: Table<Ship>, hosts: Table<Host>) {
    this.whenClosed = new Promise((resolve) => {
      this.#close = resolve
    })
    ships.onChange((_, after, before, revision) => {
      this.#revision = revision
      const host = before?.value.host
      if (host && concerns(host, after, before)) this.#soon(host)
      if (after?.value.speaks && after.value.host) this.#show(after.value.host, after)
    })
    // Its next hello is refused, and so it learns that it was removed.
    hosts.onChange((host, after) => {
      if (after) return
      this.tell(host, 'resync')
      for (const stream of [...(this.#open.get(host) ?? [])]) stream.end()
    })
  }

  get size(): number {
    let size = 0
    for (const streams of this.#open.values()) size += streams.size
    return size
  }

  /** @returns a function that ends it. */
  open(host: string, stream: AgentStream): () => void {
    const streams = this.#open.get(host) ?? new Set<AgentStream>()
    this.#open.set(host, streams.add(stream))
    const [oldest] = streams
    if (streams.size > mostOfHost) oldest?.end()
    if (this.closed) setImmediate(stream.end)
    return () => {
      streams.delete(stream)
      if (streams.size === 0 && this.#open.get(host) === streams) this.#open.delete(host)
    }
  }

  /** To the host's agent, if its stream is here. */
  tell(host: string, event: AgentEvent, data = ''): void {
    for (const stream of this.#open.get(host) ?? []) stream.call(event, data)
  }

  /** Ends all streams; the agents open new ones elsewhere. */
  close(): void {
    this.closed = true
    for (const timer of this.#due.values()) clearTimeout(timer)
    for (const streams of [...this.#open.values()]) for (const stream of [...streams]) stream.end()
    this.#close()
  }

  /** A ship that speaks an SDK is told of itself at once, whoever changed it. */
  #show(host: string, row: Row<Ship>): void {
    if (!this.closed && this.#open.has(host)) this.tell(host, 'ship', JSON.stringify(selfOf(row)))
  }

  #soon(host: string): void {
    if (this.closed || this.#due.has(host) || !this.#open.has(host)) return
    const timer = setTimeout(() => {
      this.#due.delete(host)
      // Another ApiServer may answer the hello, and know less yet.
      this.tell(host, 'resync', String(this.#revision))
    }, gatherMs)
    this.#due.set(host, timer)
  }
}

/** The ship was taken from the host, is to be stopped, or to have other limits: its agent may not have heard of it yet. */
function concerns(host: string, after: Row<Ship> | undefined, before: Row<Ship>): boolean {
  if (after?.value.host !== host || after.value.state === 'Stopping') return true
  const { resize } = after.value
  return resize?.state === 'pending' && resize.n !== before.value.resize?.n
}
