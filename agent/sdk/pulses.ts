// The pulses of ships whose probe is their SDK: Ready in time by their own word, then a ping in every period.
//
// INVARIANTS
// - A ship that this agent did not start is watched from its first ping on: the stream of pings that it had open
//   broke with the agent before this one, and not every client opens another.
// - Silence is counted by looks: one that comes late, because this process stood still, counts once.
// - All are felt in one turn, no more often than the shortest period asks for: a clock for each ship of a full host wakes
//   it twenty times a second.
import type { Log } from '../../shared/log.ts'
import { loop } from '../../shared/loop.ts'
import type { Probe } from '../../shared/model/probe.ts'
import type { Outbox } from '../outbox.ts'
import { type Aboard, about, type Roster, type ShipAttempt } from '../roster.ts'
import type { Line } from './line.ts'

export interface PulseOptions {
  roster: Roster
  outbox: Outbox
  /** The ship was not ready in time. */
  onTooLate: (of: ShipAttempt, reason: string) => void
  log: Log
}

const longestMs = 1_000

interface Pulse {
  readonly entry: Aboard
  readonly probe: Probe & { type: 'sdk' }
  readonly line: Line
  readonly startedHere: boolean
  /** Since when pings are watched; undefined until they are. */
  sinceMs: number | undefined
  dueAtMs: number
  failures: number
}

export class Pulses {
  readonly #options: PulseOptions
  readonly #pulses = new Set<Pulse>()

  constructor(options: PulseOptions) {
    this.#options = options
  }

  /** Until its signal fires. */
  keep(
    { entry, probe, line, startedHere }: Pick<Pulse, 'entry' | 'probe' | 'line' | 'startedHere'>,
    signal: AbortSignal,
  ): void {
    const { roster, outbox } = this.#options
    const { grant } = entry
    line.onPing = () => {
      if (roster.at(grant)?.phase !== 'Unhealthy') return
      roster.change(grant, { phase: 'Ready' })
      outbox.put({ ...about(grant), state: 'Ready' })
    }
    const pulse = { entry, probe, line, startedHere, sinceMs: undefined, dueAtMs: 0, failures: 0 }
    this.#pulses.add(pulse)
    signal.addEventListener('abort', () => this.#pulses.delete(pulse), { once: true })
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#options
    const everyMs = () =>
      [...this.#pulses].reduce((leastMs, { probe }) => Math.min(leastMs, probe.periodMs), longestMs)
    await loop({ name: 'pulses', everyMs, signal, log }, async () => {
      const nowMs = performance.now()
      for (const pulse of this.#pulses) if (nowMs >= pulse.dueAtMs) this.#feel(pulse, nowMs)
    })
  }

  #feel(pulse: Pulse, nowMs: number): void {
    const { roster, outbox } = this.#options
    const { probe, line } = pulse
    const { grant, startedAtMs } = pulse.entry
    const phase = roster.at(grant)?.phase
    if (phase === 'Starting') {
      if (nowMs - startedAtMs >= probe.startLimitMs) this.#giveUp(pulse)
      return
    }
    if (!probe.health) {
      this.#pulses.delete(pulse)
      return
    }
    if (pulse.sinceMs === undefined) {
      pulse.dueAtMs = startedAtMs + probe.initialDelayMs
      if (nowMs < pulse.dueAtMs) return
      pulse.sinceMs = nowMs
      pulse.dueAtMs = nowMs + probe.periodMs
      return
    }
    pulse.dueAtMs = nowMs + probe.periodMs
    if (!pulse.startedHere && line.pingedAtMs === undefined) return
    const silentMs = nowMs - Math.max(line.pingedAtMs ?? 0, pulse.sinceMs)
    pulse.failures = silentMs < probe.periodMs ? 0 : pulse.failures + 1
    if (pulse.failures < probe.failures || phase !== 'Ready') return
    const reason = `no health ping came for ${Math.round(silentMs / 100) / 10} s`
    roster.change(grant, { phase: 'Unhealthy' })
    outbox.put({ ...about(grant), state: 'Unhealthy', reason })
  }

  #giveUp(pulse: Pulse): void {
    const { entry, probe } = pulse
    this.#pulses.delete(pulse)
    const why = 'the ship did not say through its SDK that it is ready'
    this.#options.onTooLate(entry.grant, `not ready within ${probe.startLimitMs / 1_000} s: ${why}`)
  }
}
