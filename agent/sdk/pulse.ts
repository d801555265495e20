// The pulse of a ship whose probe is its SDK: Ready in time by its own word, then a ping in every period.
//
// INVARIANTS
// - A ship that this agent did not start is watched from its first ping on: the stream of pings that it had open
//   broke with the agent before this one, and not every client opens another.
import { sleep } from '../../shared/loop.ts'
import type { Probe } from '../../shared/model/probe.ts'
import type { Outbox } from '../outbox.ts'
import { type Aboard, about, type Roster, type ShipAttempt } from '../roster.ts'
import type { Line } from './line.ts'

export interface PulseOptions {
  roster: Roster
  outbox: Outbox
  /** The ship was not ready in time. */
  onTooLate: (of: ShipAttempt, reason: string) => void
}

const looksMs = 1_000

export async function keepPulse(
  options: PulseOptions,
  { grant, startedAtMs }: Aboard,
  probe: Probe & { type: 'sdk' },
  line: Line,
  { startedHere, signal }: { startedHere: boolean; signal: AbortSignal },
): Promise<void> {
  const { roster, outbox } = options
  const phase = () => roster.at(grant)?.phase
  line.onPing = () => {
    if (phase() !== 'Unhealthy') return
    roster.change(grant, { phase: 'Ready' })
    outbox.put({ ...about(grant), state: 'Ready' })
  }
  while (!signal.aborted && phase() === 'Starting') {
    if (performance.now() - startedAtMs >= probe.startLimitMs) {
      const why = 'the ship did not say through its SDK that it is ready'
      return options.onTooLate(grant, `not ready within ${probe.startLimitMs / 1_000} s: ${why}`)
    }
    await sleep(Math.min(looksMs, probe.startLimitMs), signal)
  }
  if (!probe.health) return
  await sleep(Math.max(0, startedAtMs + probe.initialDelayMs - performance.now()), signal)
  const sinceMs = performance.now()
  for (let failures = 0; !signal.aborted; ) {
    await sleep(probe.periodMs, signal)
    if (!startedHere && line.pingedAtMs === undefined) continue
    const silentMs = performance.now() - Math.max(line.pingedAtMs ?? 0, sinceMs)
    failures = silentMs < probe.periodMs ? 0 : failures + 1
    if (signal.aborted || failures < probe.failures || phase() !== 'Ready') continue
    const reason = `no health ping came for ${Math.round(silentMs / 100) / 10} s`
    roster.change(grant, { phase: 'Unhealthy' })
    outbox.put({ ...about(grant), state: 'Unhealthy', reason })
  }
}
