// The SDK, put together: for every ship that speaks it a line to the ApiServer and sockets in its own network.
//
// INVARIANTS
// - A ship has one booth, from the moment its container runs until it leaves. Others cost nothing.
// - A connection is of the ship in whose network it was accepted, so that a ship reaches only itself.
// - One ship cannot keep the agent from the others: its connections, calls, waiting words and sizes have bounds.
import type { Client } from '../../shared/api/client.ts'
import { messageOf } from '../../shared/errors.ts'
import { speaksSdk } from '../../shared/model/blueprint.ts'
import type { Grant } from '../../shared/model/grant.ts'
import { ShipSelf, type Word } from '../../shared/model/word.ts'
import { type Aboard, about, keyOf, type ShipAttempt } from '../roster.ts'
import { Slots } from '../slots.ts'
import { Allowance } from './allowance.ts'
import { Looks } from './bounds.ts'
import { Line } from './line.ts'
import { Peers } from './peer.ts'
import { type PulseOptions, Pulses } from './pulses.ts'
import { RestSide } from './rest.ts'
import { type Serving, serveShip } from './sockets.ts'

export interface SdkOptions extends PulseOptions {
  api: Client
  /** The ship asked to be shut down, and its record says so. */
  onShutdown: (of: ShipAttempt) => void
}

interface Booth {
  entry: Aboard
  line: Line
  over: AbortController
}

export class Sdk {
  readonly #options: SdkOptions
  readonly #booths = new Map<string, Booth>()
  readonly #over = new AbortController()
  readonly #serving: Serving
  readonly #pulses: Pulses

  constructor(options: SdkOptions) {
    this.#options = options
    this.#serving = {
      rest: new RestSide(),
      // Each is a Node of its own for a moment.
      openings: new Slots(3),
      looks: new Looks(),
      peers: new Peers(),
      log: options.log,
    }
    this.#pulses = new Pulses(options)
    void this.#pulses.run(this.#over.signal)
    options.roster.onChange((now, before) => this.#follow(now, before))
    for (const entry of options.roster.list()) this.#follow(entry, undefined)
  }

  /** A picture of a ship came through the ApiServer's stream. */
  told = (text: string): void => {
    const { data: self } = ShipSelf.safeParse(JSON.parse(text))
    if (self) this.#booths.get(keyOf(self))?.line.learn(self)
  }

  /** The ApiServer was asked anew: pictures may have been missed. */
  caughtUp = (wanted: readonly Grant[]): void => {
    for (const grant of wanted) {
      const line = this.#booths.get(keyOf(grant))?.line
      if (line && (line.isKnown || grant.state === 'Reserved')) void line.refresh().catch(() => undefined)
    }
  }

  stop(): void {
    this.#over.abort()
    for (const { over } of this.#booths.values()) over.abort()
  }

  #follow(now: Aboard | undefined, before: Aboard | undefined): void {
    const entry = now ?? before
    if (!entry || !speaksSdk(entry.grant.spec)) return
    const key = keyOf(entry.grant)
    if (!now) {
      this.#booths.get(key)?.over.abort()
      this.#booths.delete(key)
    } else if (now.pid > 0 && now.phase !== 'Found' && now.phase !== 'Claimed' && !this.#booths.has(key)) {
      if (!this.#over.signal.aborted) this.#open(key, now, before?.phase === 'Claimed')
    }
  }

  #open(key: string, entry: Aboard, startedHere: boolean): void {
    const over = new AbortController()
    const { signal } = over
    const { api, log } = this.#options
    const { grant } = entry
    const line = new Line({ of: grant, api, onTaken: (word) => this.#taken(grant, word), signal })
    this.#booths.set(key, { entry, line, over })
    const failed = (error: unknown) => log.error({ ship: grant.ship, error: messageOf(error) }, 'SDK failed')
    // Outside of the change that is being told, so that its other listeners hear of it first.
    queueMicrotask(() => {
      const speaker = { line, probe: grant.spec.probe, allowance: new Allowance() }
      serveShip(entry, speaker, this.#serving, signal).catch(failed)
      const { probe } = grant.spec
      if (probe.type !== 'sdk') return
      this.#pulses.keep({ entry, probe, line, startedHere }, signal)
    })
  }

  #taken(of: Grant, { say }: Word): void {
    const { roster, outbox, onShutdown } = this.#options
    if (say === 'shutdown') onShutdown(of)
    if (say !== 'ready' && say !== 'allocate' && say !== 'reserve') return
    const phase = roster.at(of)?.phase
    if (phase !== 'Starting' && phase !== 'Unhealthy') return
    roster.change(of, { phase: 'Ready' })
    // A word that it is Unhealthy is on its way still, and older.
    if (outbox.has(of)) outbox.put({ ...about(of), state: 'Ready' })
  }
}
