// Cluster state in Redis: what the agents last measured, and which tickets wait. Every ApiServer has what was
// measured in memory as well, and serves lookups of ships from there.
//
// INVARIANTS
// - A Redis that was emptied gets back what the ApiServers heard last, unless it knows something later. What none
//   of those alive has heard comes with the agents' next reports.
// - Nobody concludes from what Redis lacks, unless it has kept everything for long enough.
import type { Redis } from 'ioredis'
import type { Log } from '../../../shared/log.ts'
import type { HostSample } from '../../../shared/model/host.ts'
import type { ShipSample } from '../../../shared/model/ship.ts'
import { redisKeys } from '../keys.ts'
import type { Sample } from '../lookups.ts'
import { Heard, type HeardHost } from './heard.ts'
import { answered, answeredAll } from './redis.ts'
import type { Refill } from './refill.ts'
import { SampleFeed } from './sampleFeed.ts'

export interface HostReport {
  at: string
  sample: HostSample | null
}

/** What is known of how long Redis has kept everything. */
type Continuity = Pick<Refill, 'mark' | 'keptMs'>

export interface SampleStoreOptions {
  redis: Redis
  /** A connection for this alone; closed when it no longer follows. */
  subscriber: Redis
  continuity: Continuity
  /** The host that a ship is recorded on, if on one; undefined when there is no such ship. */
  hostOf: (ship: string) => string | null | undefined
  log: Log
}

const refilledAtOnce = 1_000

export class SampleStore {
  #redis: Redis
  #continuity: Continuity
  #heard = new Heard()
  #feed: SampleFeed
  #hostOf: (ship: string) => string | null | undefined

  constructor({ redis, subscriber, continuity, hostOf, log }: SampleStoreOptions) {
    this.#redis = redis
    this.#continuity = continuity
    this.#hostOf = hostOf
    const knows = (ship: string) => hostOf(ship) !== undefined
    this.#feed = new SampleFeed({ redis, subscriber, heard: this.#heard, knows, log })
  }

  /** Follows what other ApiServers hear, until the signal fires. */
  async follow(signal: AbortSignal): Promise<void> {
    await this.#feed.run(signal)
  }

  /** Notes that a host reported now, with what it measured of itself (null: not this time) and of its ships. */
  async record(host: string, sample: HostSample | null, ships: readonly ShipSample[]): Promise<void> {
    const at = new Date().toISOString()
    const report = { host, at, sample, ships }
    this.#heard.note(report)
    const batch = this.#redis.pipeline().hset(redisKeys.hostReports, host, at)
    if (sample) batch.hset(redisKeys.hosts, host, JSON.stringify(sample))
    for (const { ship, ...measured } of ships) batch.hset(redisKeys.ships, ship, JSON.stringify(measured))
    this.#feed.tell(batch, report)
    await answeredAll(batch)
  }

  async hostReport(host: string): Promise<HostReport | null> {
    const [at, sample] = await answered(
      Promise.all([this.#redis.hget(redisKeys.hostReports, host), this.#redis.hget(redisKeys.hosts, host)]),
    )
    return this.#newest(host, at ? { at, sample } : undefined)
  }

  /** Whether memory shows what all ApiServers hear. */
  get isWhole(): boolean {
    return this.#feed.trusted
  }

  /** Of its last report that this ApiServer knows of, as ISO 8601. */
  heardAt(host: string): string | undefined {
    return this.#heard.host(host)?.at
  }

  /** @param ids default: of all hosts. */
  async hostReports(ids?: readonly string[]): Promise<Map<string, HostReport>> {
    const stored = await this.#storedReports(ids)
    const reports = new Map<string, HostReport>()
    const known = () => new Set([...stored.keys(), ...[...this.#heard.hosts()].map(([host]) => host)])
    for (const host of ids ?? known()) {
      const report = this.#newest(host, stored.get(host))
      if (report) reports.set(host, report)
    }
    return reports
  }

  async #storedReports(ids?: readonly string[]): Promise<Map<string, HeardHost>> {
    if (ids?.length === 0) return new Map()
    const fields = async (key: string): Promise<[string, string | null][]> => {
      if (!ids) return Object.entries(await this.#redis.hgetall(key))
      const values = await this.#redis.hmget(key, ...ids)
      return ids.map((id, i) => [id, values[i] ?? null])
    }
    const asked = Promise.all([fields(redisKeys.hostReports), fields(redisKeys.hosts)])
    const [times, samples] = await answered(asked)
    const measured = new Map(samples)
    return new Map(
      times.flatMap(([host, at]) => (at ? [[host, { at, sample: measured.get(host) ?? null }]] : [])),
    )
  }

  /** What Redis has of a host may be older than what we heard ourselves: it was away, or emptied just now. */
  #newest(host: string, stored: HeardHost | undefined): HostReport | null {
    const heard = this.#heard.host(host)
    const newest = heard && !(stored && stored.at >= heard.at) ? heard : stored
    return newest ? { at: newest.at, sample: newest.sample ? JSON.parse(newest.sample) : null } : null
  }

  /** Gives Redis what this ApiServer heard and Redis does not know as well or better. */
  async refill(): Promise<void> {
    const there = await answered(this.#redis.hgetall(redisKeys.hostReports))
    const hosts = new Set<string>()
    const times: string[] = []
    const samples: string[] = []
    for (const [host, { at, sample }] of this.#heard.hosts()) {
      const stored = there[host]
      if (stored !== undefined && stored >= at) continue
      hosts.add(host)
      times.push(host, at)
      if (sample) samples.push(host, sample)
    }
    await this.#put(redisKeys.hostReports, times)
    await this.#put(redisKeys.hosts, samples)
    const aboard = [...this.#heard.ships()].filter(([ship]) => hosts.has(this.#hostOf(ship) ?? ''))
    await this.#put(redisKeys.ships, aboard.flat())
  }

  async #put(key: string, fields: readonly string[]): Promise<void> {
    for (let i = 0; i < fields.length; i += 2 * refilledAtOnce) {
      await answered(this.#redis.hset(key, ...fields.slice(i, i + 2 * refilledAtOnce)))
    }
  }

  /** Last samples of the ships, null where there is none, and while it is unknown what hosts report. */
  async ofShips(ids: readonly string[]): Promise<(Sample | null)[]> {
    return (await this.textsOfShips(ids)).map((text) => (text ? JSON.parse(text) : null))
  }

  /** The same as JSON. */
  async textsOfShips(ids: readonly string[]): Promise<(string | null)[]> {
    return ids.map((id) => this.textOf(id))
  }

  /** The same of one ship, at once. */
  textOf(id: string): string | null {
    return (this.#feed.trusted && this.#heard.ship(id)) || null
  }

  async dropHost(host: string): Promise<void> {
    await answered(
      Promise.all([this.#redis.hdel(redisKeys.hostReports, host), this.#redis.hdel(redisKeys.hosts, host)]),
    )
  }

  async dropShips(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await answered(this.#redis.hdel(redisKeys.ships, ...ids))
  }

  /** For when its record is gone. */
  forgetShip(id: string): void {
    this.#heard.forgetShip(id)
  }

  /** For when its record is gone. */
  forgetHost(host: string): void {
    this.#heard.forgetHost(host)
  }

  /** Notes that the scheduler holds the tickets of these ships now. */
  async holdTickets(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    const now = Date.now()
    const batch = this.#redis.pipeline().zremrangebyscore(redisKeys.waiting, 0, now - 600_000)
    for (const id of ids) batch.zadd(redisKeys.waiting, now, id)
    await answeredAll(batch)
  }

  /**
   * Those of the ships whose tickets no scheduler has held for `ms`. None when Redis was emptied or away within
   * that time: then it is unknown, and a ship that is queued again wrongly loses its place.
   */
  async ticketsUnheld(ids: readonly string[], ms: number): Promise<Set<string>> {
    const { mark, keptMs } = this.#continuity
    if (ids.length === 0 || keptMs < ms) return new Set()
    const asked = this.#redis
      .multi()
      .exists(mark)
      .zmscore(redisKeys.waiting, ...ids)
    const [marked, scores] = (await answeredAll(asked)) as [number, (string | null)[]]
    if (marked === 0) return new Set()
    const recently = Date.now() - ms
    return new Set(ids.filter((_, i) => Number(scores[i] ?? 0) < recently))
  }

  get connected(): boolean {
    return this.#redis.status === 'ready'
  }

  async ping(): Promise<void> {
    await answered(this.#redis.ping())
  }
}
