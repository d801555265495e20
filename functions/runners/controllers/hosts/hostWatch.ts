// Hosts: finds those that are gone, and says that the ships aboard are lost.
//
// INVARIANTS
// - A ship is Lost only when its host has been absent for afterMs by our own monotonic clock, and has not
//   reported for afterMs either. A host that was absent when we were elected counts from then.
// - While the storm brake is engaged nothing is decided, and hosts are not asked about.
// - An absent host is asked about when its next ship could be due, not every turn.
// - A host that ships are aboard of counts as absent also when ZooKeeper has never heard of it: its nodes may
//   have gone with ZooKeeper's data while its agent was dead.
import { answerOf } from '../../../../shared/api/client.ts'
import type { Decision, HostShips } from '../../../../shared/api/moves.ts'
import type { ZooKeeper } from '../../../../shared/zookeeper/client.ts'
import { each } from '../../../../shared/zookeeper/persistence.ts'
import { watchPresence } from '../../../../shared/zookeeper/presence.ts'
import { ledLoop } from '../../ledLoop.ts'
import { sendDecisions } from '../decisions.ts'
import type { Office } from '../office.ts'
import { type Engaged, stormBrake, stormText } from './stormBrake.ts'

const everyMs = 1_000
/** An absent host without ships, or whose ships all wait for a report to grow old, is asked about so often. */
const askAgainMs = 15_000
const asksInFlight = 8
const listEveryMs = 15_000

interface Absence {
  sinceMs: number
  askAtMs: number
  /** Since when the ApiServer knows of no report of it, as after Redis was emptied; null: it knows of one. */
  unknownSinceMs: number | null
  /** It was so when we were elected, and nothing is known to be aboard: it cannot be part of a storm. */
  idle: boolean
}

export class HostWatch {
  readonly #office: Office
  readonly #present = new Set<string>()
  readonly #absent = new Map<string, Absence>()
  /** As ZooKeeper has them: host -> whether it is present. */
  #nodes: ReadonlyMap<string, boolean> | undefined
  /** Hosts that ships are aboard of. */
  #crewed: ReadonlySet<string> | undefined
  #listAtMs = 0
  /** Every host that was absent at first has been asked about. */
  #asked = false
  #engaged: Engaged | null = null
  /** What people were told last; undefined: what an earlier leader said. */
  #said: string | null | undefined

  constructor(office: Office) {
    this.#office = office
  }

  /** Why lost ships are not replaced now; null when they are. */
  get brake(): string | null {
    if (!this.#asked) return 'the hosts have not been seen yet'
    return this.#engaged && stormText(this.#engaged)
  }

  /** Follows which hosts are present, until the signal fires. */
  follow(zk: ZooKeeper): Promise<void> {
    return watchPresence(zk, this.#office.signal, (hosts) => this.see(hosts, performance.now()))
  }

  see(hosts: ReadonlyMap<string, boolean>, nowMs: number): void {
    this.#nodes = hosts
    this.#compare(nowMs)
  }

  #compare(nowMs: number): void {
    const crewed = this.#crewed
    if (!this.#nodes || !crewed) return
    const hosts = new Map(this.#nodes)
    for (const host of crewed) if (!hosts.has(host)) hosts.set(host, false)
    for (const [host, present] of hosts) {
      if (present) {
        this.#present.add(host)
        this.#absent.delete(host)
      } else if (!this.#absent.has(host)) {
        const idle = !this.#present.delete(host) && !crewed.has(host)
        this.#absent.set(host, { sinceMs: nowMs, askAtMs: nowMs, unknownSinceMs: null, idle })
      }
    }
    for (const host of [...this.#present]) if (!hosts.has(host)) this.#present.delete(host)
    for (const host of [...this.#absent.keys()]) if (!hosts.has(host)) this.#absent.delete(host)
    this.#brakeOrRelease(nowMs)
  }

  async run(): Promise<void> {
    const { signal, log } = this.#office
    const options = { name: 'hosts', everyMs, signal, log }
    await ledLoop(options, () => this.#turn(performance.now()))
  }

  async #turn(nowMs: number): Promise<void> {
    if (nowMs >= this.#listAtMs) await this.#list(nowMs)
    const sighted = this.#nodes !== undefined
    const due = [...this.#absent].filter(
      ([, { askAtMs, idle }]) => askAtMs <= nowMs && (idle || !this.#engaged),
    )
    const decisions = await each(due, asksInFlight, ([host, absence]) => this.#ask(host, absence, nowMs))
    this.#asked ||= sighted
    this.#brakeOrRelease(nowMs)
    await this.#tell()
    if (!this.#engaged) await sendDecisions(decisions.flat(), this.#office)
  }

  async #list(nowMs: number): Promise<void> {
    const { client, signal } = this.#office
    const { hosts } = await answerOf(client.v1.controllers.hosts.$get({}, { init: { signal } }))
    this.#crewed = new Set(hosts)
    this.#listAtMs = nowMs + listEveryMs
    this.#compare(performance.now())
  }

  async #ask(host: string, absence: Absence, nowMs: number): Promise<Decision[]> {
    const { client, signal } = this.#office
    const request = client.v1.controllers.hosts[':host'].ships.$get({ param: { host } }, { init: { signal } })
    const aboard = await answerOf(request)
    // A report that is not known of does not mean that there was none: silence counts from when we first saw that.
    absence.unknownSinceMs = aboard.lastReportAt === null ? (absence.unknownSinceMs ?? nowMs) : null
    const absentMs = nowMs - Math.max(absence.sinceMs, absence.unknownSinceMs ?? 0)
    const { lost, dueInMs } = findLost(host, aboard, absentMs, Date.now())
    absence.idle &&= aboard.ships.length === 0
    absence.askAtMs = lost.length > 0 ? nowMs : nowMs + Math.min(dueInMs, askAgainMs)
    return this.#absent.get(host) === absence ? lost : []
  }

  #brakeOrRelease(nowMs: number): void {
    const sightings = new Map<string, number | null>()
    for (const host of this.#present) sightings.set(host, null)
    for (const [host, { sinceMs, idle }] of this.#absent) if (!idle) sightings.set(host, sinceMs)
    this.#engaged = stormBrake(this.#engaged, sightings, nowMs)
  }

  async #tell(): Promise<void> {
    const { client, epoch, log, signal } = this.#office
    const text = this.#engaged && stormText(this.#engaged)
    if (text === this.#said) return
    if (text !== null) log.error({ stormBrake: text }, 'the storm brake is engaged')
    else if (this.#said) log.warn({}, 'the storm brake is released')
    const json = { epoch, stormBrake: text }
    await answerOf(client.v1.controllers.notice.$put({ json }, { init: { signal } }))
    this.#said = text
  }
}

/**
 * The ships that are lost with a host which has been absent for `absentMs`.
 * @returns also when the next of its ships may be lost; Infinity when there is none.
 */
export function findLost(
  host: string,
  { lastReportAt, ships }: HostShips,
  absentMs: number,
  nowMs: number,
): { lost: Decision[]; dueInMs: number } {
  const silentMs = lastReportAt === null ? Number.POSITIVE_INFINITY : nowMs - Date.parse(lastReportAt)
  const lost: Decision[] = []
  let dueInMs = Number.POSITIVE_INFINITY
  for (const { id, attempt, state, afterMs } of ships) {
    const leftMs = afterMs - Math.min(absentMs, silentMs)
    if (leftMs > 0) dueInMs = Math.min(dueInMs, leftMs)
    else if (state === 'Stopping') {
      lost.push({ ship: id, attempt, to: 'Stopped', reason: `its host ${host} was lost while it stopped` })
    } else if (state !== 'Lost') {
      const silent = Math.round(Math.min(absentMs, silentMs) / 1_000)
      lost.push({ ship: id, attempt, to: 'Lost', reason: `host ${host} has been silent for ${silent} s` })
    }
  }
  return { lost, dueInMs }
}
