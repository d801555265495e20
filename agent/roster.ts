// The ships aboard this host: the one table that the Worker writes and the Advisor reads.
//
// STATES of an entry (phase)
//   Found      its container was here when the agent started; the ApiServer has not yet said what it is
//   Claimed    granted to this host, its container does not run yet
//   Starting   its container runs, its probe has not yet succeeded
//   Ready ⇄ Unhealthy
// and beside the phase `ending`: why it is being ended, once that is decided.
//
// INVARIANTS
// - One entry a ship. A newer attempt boards only after the older one has left.
// - Entries are never changed in place: who holds one holds a picture of that moment.
// - An attempt that has left never boards again while this process lives.
import { forgetOldest } from '../shared/forget.ts'
import type { Grant } from '../shared/model/grant.ts'
import { type Resources, sumOf } from '../shared/model/resources.ts'
import { type Traced, traced } from '../shared/trace.ts'
import type { SdkPorts } from './sdkPorts.ts'

/** One try at running a ship: what everything about it is fenced by. */
export interface ShipAttempt {
  readonly ship: string
  readonly attempt: number
}

export type Phase = 'Found' | 'Claimed' | 'Starting' | 'Ready' | 'Unhealthy'

/** Why a ship is being ended by us. */
export type Ending =
  | ({ why: 'asked' } & Traced)
  /** Not ready in time: the start failed. */
  | { why: 'late'; reason: string }
  /** Not this host's any more: nobody wants to hear of it. */
  | { why: 'stray' }
  /** This host was cut off, or is leaving: the ship goes elsewhere through no fault of its own. */
  | { why: 'given-back'; reason: string }

export interface Aboard {
  readonly grant: Grant
  readonly phase: Phase
  readonly ending: Ending | null
  readonly containerId: string | null
  /** Where its ports can be reached from here. */
  readonly address: string
  readonly pid: number
  /** Where it finds its SDK, if it speaks one; null until its container runs. */
  readonly sdkPorts: SdkPorts | null
  /** When its container began to run, by this process's monotonic clock. */
  readonly startedAtMs: number
}

export type RosterListener = (now: Aboard | undefined, before: Aboard | undefined) => void

const rememberedEnds = 5_000

export class Roster {
  readonly #ships = new Map<string, Aboard>()
  readonly #ended = new Set<string>()
  readonly #listeners: RosterListener[] = []
  #boardings = 0

  /** Raised when a ship boards or leaves, or takes more or less. */
  get version(): number {
    return this.#boardings
  }

  onChange(listener: RosterListener): void {
    this.#listeners.push(listener)
  }

  list(): Aboard[] {
    return [...this.#ships.values()]
  }

  get(ship: string): Aboard | undefined {
    return this.#ships.get(ship)
  }

  at({ ship, attempt }: ShipAttempt): Aboard | undefined {
    const entry = this.#ships.get(ship)
    return entry?.grant.attempt === attempt ? entry : undefined
  }

  /** @returns false when the ship is aboard already or this attempt has left. */
  board(grant: Grant, phase: Phase, containerId: string | null = null): boolean {
    if (this.#ships.has(grant.ship) || this.hasLeft(grant)) return false
    this.#boardings++
    const nowhere = { address: '127.0.0.1', pid: 0, sdkPorts: null, startedAtMs: 0 }
    this.#say({ grant, phase, ending: null, containerId, ...nowhere })
    return true
  }

  /** @returns the entry as it is now; undefined when this attempt is not aboard. */
  change(of: ShipAttempt, patch: Partial<Omit<Aboard, 'grant'>>): Aboard | undefined {
    const before = this.at(of)
    return before && this.#say({ ...before, ...patch }, before)
  }

  /** The same attempt takes more or less than before. */
  regrant(grant: Grant): void {
    const before = this.at(grant)
    if (!before) return
    this.#boardings++
    this.#say({ ...before, grant }, before)
  }

  leave(of: ShipAttempt): void {
    const before = this.at(of)
    if (!before) return
    this.#boardings++
    this.#ships.delete(of.ship)
    this.#ended.add(keyOf(of))
    forgetOldest(this.#ended, rememberedEnds)
    for (const listener of this.#listeners) listener(undefined, before)
  }

  hasLeft(of: ShipAttempt): boolean {
    return this.#ended.has(keyOf(of))
  }

  /** What the ships aboard take together, one of them left out. */
  taken(except: string): Resources {
    const others = this.list().filter(({ grant }) => grant.ship !== except)
    return sumOf(others.map(({ grant }) => grant.spec.resources))
  }

  #say(now: Aboard, before?: Aboard): Aboard {
    this.#ships.set(now.grant.ship, now)
    for (const listener of this.#listeners) listener(now, before)
    return now
  }
}

/** What everything that is said of a ship begins with. Its end is of the trace of whoever asked for it. */
export function about(
  grant: ShipAttempt & Traced,
  ending: Ending | null = null,
): ShipAttempt & { traceId?: string } {
  const { ship, attempt, traceId } = grant
  const asked = ending?.why === 'asked' ? ending.traceId : undefined
  return { ship, attempt, ...traced({ traceId: asked ?? traceId }) }
}

export function keyOf({ ship, attempt }: ShipAttempt): string {
  return `${ship}/${attempt}`
}
