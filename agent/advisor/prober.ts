// Probing the ships: one patient loop a ship, from its start to its end.
//
// STATES  Starting -> Ready <-> Unhealthy, as in the roster; every change goes into the outbox at once.
// INVARIANTS
// - A ship has one loop, which ends when the ship leaves, is being ended, or the advisor stops.
// - Few probes begin at a time, and no two of one ship are in flight.
// - A ship that is not Ready within its start limit is given up, once; whoever ends it is told what the probe said.
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import { type Probe, probedPort } from '../../shared/model/probe.ts'
import type { Engine } from '../docker/engine.ts'
import { listenPort } from '../docker/options.ts'
import type { Outbox } from '../outbox.ts'
import { type Aboard, about, keyOf, type Roster, type ShipAttempt } from '../roster.ts'
import { Slots } from '../slots.ts'
import { askExec } from './probe/exec.ts'
import { askHttp } from './probe/http.ts'
import { untilLine } from './probe/log.ts'
import { outlivesAMoment } from './probe/none.ts'
import type { Ask } from './probe/probe.ts'
import { askQuery } from './probe/query.ts'
import { askTcp } from './probe/tcp.ts'
import type { Players } from './shipMeter.ts'

export interface ProberOptions {
  engine: Engine
  roster: Roster
  outbox: Outbox
  /** The ship was not ready in time. */
  onTooLate: (of: ShipAttempt, reason: string) => void
  signal: AbortSignal
  log: Log
}

/** What asks the ship at one of its ports. */
function askOf(probe: Extract<Probe, { port: string }>): Ask {
  switch (probe.type) {
    case 'tcp':
      return askTcp
    case 'http':
      return askHttp(probe.path)
    case 'query':
      return askQuery(probe.game)
  }
}

type TimedProbe = Exclude<Probe, { type: 'none' | 'sdk' }>

/** The first probes come quickly, because many games are up at once; then each waits longer, up to the period. */
const firstPauseMs = 100
const turnMs = 1_000
/** The longest that a timer can wait: 24 days. */
const neverMs = 2 ** 31 - 1

export class Prober {
  readonly #options: ProberOptions
  readonly #loops = new Map<string, AbortController>()
  readonly #players = new Map<string, Players>()
  readonly #slots = new Slots(16)

  constructor(options: ProberOptions) {
    this.#options = options
    options.signal.addEventListener('abort', () => {
      for (const over of this.#loops.values()) over.abort()
    })
    options.roster.onChange((now, before) => this.#follow(now, before))
    for (const entry of options.roster.list()) this.#follow(entry, undefined)
  }

  playersOf = (ship: string): Players | undefined => this.#players.get(ship)

  #follow(now: Aboard | undefined, before: Aboard | undefined): void {
    const { signal, log } = this.#options
    const entry = now ?? before
    if (!entry) return
    const key = keyOf(entry.grant)
    const isAlive = now && now.pid > 0 && !now.ending && now.phase !== 'Found' && now.phase !== 'Claimed'
    if (!isAlive) {
      this.#loops.get(key)?.abort()
      this.#loops.delete(key)
      if (!now) this.#players.delete(entry.grant.ship)
    } else if (!this.#loops.has(key) && !signal.aborted) {
      const over = new AbortController()
      this.#loops.set(key, over)
      // Outside of the change that is being told, so that its other listeners hear of it first.
      const probed = Promise.resolve().then(() => this.#watch(now, over.signal))
      probed.catch((error: unknown) =>
        log.error({ ship: now.grant.ship, error: messageOf(error) }, 'probing ended'),
      )
    }
  }

  async #watch(entry: Aboard, signal: AbortSignal): Promise<void> {
    const { probe } = entry.grant.spec
    // It is the ship that speaks then, and agent/sdk/ that hears it.
    if (probe.type === 'sdk') return
    if (probe.type === 'none') {
      if (await outlivesAMoment(this.#options.engine, entry, signal)) this.#well(entry)
      return
    }
    if (probe.type === 'log') return this.#watchLog(entry, probe, signal)
    if (probe.type === 'exec') {
      const askOnce = askExec(this.#options.engine, entry.containerId ?? '', probe.command)
      return this.#repeat(entry, probe, signal, () => askOnce({ signal, timeoutMs: probe.timeoutMs }))
    }
    const port = entry.grant.ports.find(({ name }) => name === probedPort(probe))
    if (!port) throw new Error(`it has no port "${probedPort(probe)}"`)
    const ask = askOf(probe)
    const target = { address: entry.address, port: listenPort(port, entry.grant.spec.network), signal }
    await this.#repeat(entry, probe, signal, () => ask({ ...target, timeoutMs: probe.timeoutMs }))
  }

  async #repeat(
    entry: Aboard,
    probe: TimedProbe,
    signal: AbortSignal,
    ask: () => ReturnType<Ask>,
  ): Promise<void> {
    let failures = 0
    for (let pauseMs = firstPauseMs; !signal.aborted; ) {
      const starting = this.#options.roster.at(entry.grant)?.phase === 'Starting'
      try {
        const players = await this.#inTurn(ask)
        if (signal.aborted) return
        failures = 0
        if (players) this.#players.set(entry.grant.ship, players)
        this.#well(entry)
        pauseMs = probe.periodMs
      } catch (error) {
        if (signal.aborted) return
        failures++
        const isLate = performance.now() - entry.startedAtMs >= probe.startLimitMs
        if (starting && isLate) this.#giveUp(entry, probe, messageOf(error))
        if (!starting && failures >= probe.failures) {
          // Nobody knows how many play now.
          this.#players.delete(entry.grant.ship)
          this.#unwell(entry, `${failures} probes in a row failed: ${messageOf(error)}`)
        }
      }
      await sleep(pauseMs * (0.9 + Math.random() * 0.2), signal)
      pauseMs = Math.min(pauseMs * 1.5, probe.periodMs)
    }
  }

  /** A turn ends after a moment: ships whose probes hang do not keep the others from theirs. */
  async #inTurn(ask: () => ReturnType<Ask>): ReturnType<Ask> {
    let answer: ReturnType<Ask> | undefined
    await this.#slots.run(async () => {
      const over = new AbortController()
      answer = ask().finally(() => over.abort())
      answer.catch(() => undefined)
      await sleep(turnMs, over.signal)
    })
    return answer
  }

  async #watchLog(entry: Aboard, probe: TimedProbe & { type: 'log' }, signal: AbortSignal): Promise<void> {
    const { engine, roster } = this.#options
    const phase = roster.at(entry.grant)?.phase
    if (phase === 'Ready') return
    const leftMs = entry.startedAtMs + probe.startLimitMs - performance.now()
    const over = new AbortController()
    const either = AbortSignal.any([signal, over.signal])
    const seen = await Promise.race([
      untilLine(engine, entry.containerId ?? '', probe.pattern, either),
      sleep(phase === 'Starting' ? Math.max(0, leftMs) : neverMs, either).then(() => false),
    ])
    over.abort()
    if (signal.aborted) return
    if (seen) this.#well(entry)
    else this.#giveUp(entry, probe, `no line with "${probe.pattern}" in its log`)
  }

  #well({ grant }: Aboard): void {
    const { roster, outbox } = this.#options
    const phase = roster.at(grant)?.phase
    if (phase !== 'Starting' && phase !== 'Unhealthy') return
    roster.change(grant, { phase: 'Ready' })
    outbox.put({ ...about(grant), state: 'Ready' })
    this.#options.log.info(about(grant), 'ship is ready')
  }

  #unwell({ grant }: Aboard, reason: string): void {
    const { roster, outbox, log } = this.#options
    if (roster.at(grant)?.phase !== 'Ready') return
    roster.change(grant, { phase: 'Unhealthy' })
    outbox.put({ ...about(grant), state: 'Unhealthy', reason: reason.slice(0, 1_000) })
    log.warn({ ...about(grant), reason }, 'ship is unhealthy')
  }

  #giveUp({ grant }: Aboard, probe: TimedProbe, said: string): void {
    const reason = `not ready within ${probe.startLimitMs / 1_000} s: the last probe said: ${said}`
    this.#options.onTooLate(grant, reason.slice(0, 1_000))
  }
}
