// The Worker's desk: jobs are claimed and begun, stops are passed on, doubles are recognised.
//
// INVARIANTS
// - Nothing is started that was not granted after the last doubt (contact.ts).
// - One start a ship and attempt, however many jobs and hellos ask for it.
// - A stop is for exactly its attempt. One that overtakes the start is remembered: the ship ends as soon as it
//   is there.

import { answerOf } from '../../shared/api/client.ts'
import { messageOf } from '../../shared/errors.ts'
import { forgetOldest } from '../../shared/forget.ts'
import { pauseAfter } from '../../shared/loop.ts'
import type { Grant } from '../../shared/model/grant.ts'
import { allocatableOf } from '../../shared/model/host.ts'
import type { Order } from '../../shared/model/job.ts'
import { amountOf, fits, othersIn, type Resources, subtract } from '../../shared/model/resources.ts'
import { traced, traceHeaders } from '../../shared/trace.ts'
import { about, keyOf, type ShipAttempt } from '../roster.ts'
import { askAgain, type Crew } from './crew.ts'
import { discard, endShip } from './ending/end.ts'
import { startShip } from './starting/start.ts'

type StartOrder = Extract<Order, { kind: 'start' }>
type StopOrder = Extract<Order, { kind: 'stop' }>

const rememberedStops = 5_000
const mostClaims = 1_000
const askAgainMs = 2_000

export class Desk {
  readonly #crew: Crew
  readonly #starters: Crew
  readonly #starting = new Map<string, Promise<void>>()
  /** Attempts that are to be stopped. */
  readonly #stops = new Set<string>()

  /** @param starters see to starts that are under way, also when the crew takes no more jobs. */
  constructor(crew: Crew, starters: Crew) {
    this.#crew = crew
    this.#starters = starters
  }

  /** Resolves when the claims are answered and the starts have begun, or when the signal fires. */
  async take(jobs: readonly Order[]): Promise<void> {
    const { gate, disks, engine, signal } = this.#crew
    await gate.passed(signal)
    await engine.answers(signal)
    if (signal.aborted) return
    for (const job of jobs) if (job.kind === 'stop') this.#stop(job)
    const starts = jobs.filter((job) => job.kind === 'start')
    if (starts.length > 0) await disks.well(signal)
    const news = starts.filter((job) => this.#isNews(job))
    for (let i = 0; i < news.length; i += mostClaims) {
      for (const grant of await this.#claim(news.slice(i, i + mostClaims))) this.#begin(grant)
    }
  }

  /** Starts a granted ship unless it is aboard. */
  #begin(grant: Grant): void {
    const key = keyOf(grant)
    if (this.#starting.has(key) || this.#crew.signal.aborted) return
    const start = this.#start(grant).finally(() => this.#starting.delete(key))
    this.#starting.set(key, start)
    this.#crew.hands.run('start a ship', () => start)
  }

  async #start(grant: Grant): Promise<void> {
    const crew = this.#crew
    const { roster, outbox, log } = crew
    const older = roster.get(grant.ship)
    if (older && older.grant.attempt < grant.attempt) await this.#clear(older.grant)
    const noRoom = roomFor(crew, grant)
    if (noRoom && !roster.get(grant.ship)) {
      log.warn({ ...about(grant), reason: noRoom }, 'ship cannot be started here')
      outbox.put({ ...about(grant), state: 'Returned', fault: true, reason: noRoom, exit: null })
      return
    }
    const found = roster.at(grant)
    const aboard = found?.phase === 'Found' ? roster.change(grant, { phase: 'Claimed' }) : undefined
    if (!aboard && !roster.board(grant, 'Claimed')) {
      // An older attempt could not be removed yet: the next hello tries again.
      if (!roster.at(grant) && !roster.hasLeft(grant)) askAgain(crew, askAgainMs)
      return
    }
    if (this.#stops.has(keyOf(grant))) roster.change(grant, { ending: { why: 'asked' } })
    await startShip(this.#starters, grant)
  }

  /** Removes an older attempt of a ship, and waits until it has left. */
  async #clear(of: ShipAttempt): Promise<void> {
    await discard(this.#crew, of, null).catch((error: unknown) =>
      this.#crew.log.warn({ ...of, error: messageOf(error) }, 'an older attempt cannot be removed yet'),
    )
    await this.#starting.get(keyOf(of))
  }

  #stop(job: StopOrder): void {
    const { roster, outbox, ask } = this.#crew
    this.#stops.delete(keyOf(job))
    this.#stops.add(keyOf(job))
    forgetOldest(this.#stops, rememberedStops)
    if (roster.at(job)) endShip(this.#crew, job, { why: 'asked', ...traced(job) })
    if (roster.at(job) || roster.hasLeft(job)) return
    const reason = 'stopped before it was started'
    outbox.put({ ...about(job), state: 'Stopped', reason, exit: null })
    // An older attempt that is still aboard may be a stray: the ApiServer knows.
    if (roster.get(job.ship)) ask.ring()
  }

  #isNews(job: StartOrder): boolean {
    const { roster } = this.#crew
    const entry = roster.get(job.ship)
    if (roster.hasLeft(job)) return false
    if (entry === undefined) return true
    // Found with a container that never ran, it is started as if it were new.
    return (
      entry.grant.attempt < job.attempt || (entry.grant.attempt === job.attempt && entry.phase === 'Found')
    )
  }

  /** Asks until there is an answer: the jobs stay in the box meanwhile. */
  async #claim(jobs: readonly StartOrder[]): Promise<Grant[]> {
    const { api, contact, gate, signal, log } = this.#crew
    const claims = jobs.map((job) => ({ ...about(job), ports: job.ports }))
    for (let failures = 0; claims.length > 0 && !signal.aborted; ) {
      await gate.passed(signal)
      const turn = contact.turn
      const sentAtMs = performance.now()
      try {
        const { granted, refused } = await answerOf(
          api.v1.monitor.claims.$post({ json: { claims } }, { headers: traceHeaders(claims) }),
        )
        if (contact.turn !== turn) continue
        contact.heard(sentAtMs)
        for (const one of refused) {
          const job = jobs.find(({ ship }) => ship === one.ship)
          log.info({ ...one, ...(job && traced(job)) }, 'claim refused')
        }
        return granted
      } catch (error) {
        log.warn({ error: messageOf(error), claims: claims.length }, 'the claim is tried again')
        await pauseAfter(failures++, 100, 3_000, signal)
      }
    }
    return []
  }
}

function roomFor({ host, roster }: Crew, { ship, spec }: Grant): string | undefined {
  const free = subtract(allocatableOf(host), roster.taken(ship))
  if (fits(spec.resources, free)) return undefined
  const others = othersIn(spec.resources).map(([name]) => name)
  const told = (of: Resources) =>
    [
      `${of.cpuMillis} millicores`,
      `${of.memoryMiB} MiB`,
      ...others.map((name) => `${amountOf(of, name)} ${name === 'disk' ? 'MiB of disk' : name}`),
    ].join(', ')
  return `no room: it asks for ${told(spec.resources)}; free on ${host.id} are ${told(free)}`
}
