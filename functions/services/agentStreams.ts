// The streams that agents hold open to this ApiServer, and when to call an agent through its stream.
import type { Host } from '../../shared/model/host.ts'
import type { Ship } from '../../shared/model/ship.ts'
import type { Row, Table } from '../stores/table.ts'

/** Changes of one host within this time make one call. */
const gatherMs = 300

export type AgentEvent = 'resync' | 'session'
type Call = (event: AgentEvent, data: string) => void

export class AgentStreams {
  #calls = new Map<string, Set<Call>>()
  #due = new Map<string, NodeJS.Timeout>()
  #close!: () => void
  readonly whenClosed: Promise<void>
  closed = false

  constructor(ships: Table<Ship>, hosts: Table<Host>) {
    this.whenClosed = new Promise((resolve) => {
      this.#close = resolve
    })
    ships.onChange((_, after, before) => {
      const host = before?.value.host
      if (host && concerns(host, after)) this.#soon(host)
    })
    // Its next hello is refused, and so it learns that it was removed.
    hosts.onChange((host, after) => {
      if (!after) this.#soon(host)
    })
  }

  /** @returns a function that ends it. */
  open(host: string, call: Call): () => void {
    const calls = this.#calls.get(host) ?? new Set<Call>()
    this.#calls.set(host, calls.add(call))
    return () => {
      calls.delete(call)
      if (calls.size === 0 && this.#calls.get(host) === calls) this.#calls.delete(host)
    }
  }

  /** To the host's agent, if its stream is here. */
  tell(host: string, event: AgentEvent, data = ''): void {
    for (const call of this.#calls.get(host) ?? []) call(event, data)
  }

  /** Ends all streams; the agents open new ones elsewhere. */
  close(): void {
    this.closed = true
    for (const timer of this.#due.values()) clearTimeout(timer)
    this.#close()
  }

  #soon(host: string): void {
    if (this.closed || this.#due.has(host) || !this.#calls.has(host)) return
    const timer = setTimeout(() => {
      this.#due.delete(host)
      this.tell(host, 'resync')
    }, gatherMs)
    this.#due.set(host, timer)
  }
}

/** The ship was taken from the host, or is to be stopped: its agent may not have heard of it yet. */
function concerns(host: string, after: Row<Ship> | undefined): boolean {
  return after?.value.host !== host || after.value.state === 'Stopping'
}
