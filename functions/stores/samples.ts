// Cluster state in Redis: what the agents last measured, which tickets wait, what people should know.
// All of it comes again with the next reports when Redis was emptied.
import type { Redis } from 'ioredis'
import type { HostSample } from '../../shared/model/host.ts'
import type { ShipSample } from '../../shared/model/ship.ts'
import { redisKeys } from './keys.ts'
import type { Sample } from './lookups.ts'
import { answered } from './redis.ts'
import { Together } from './together.ts'

export interface HostReport {
  at: string
  sample: HostSample | null
}

export class SampleStore {
  #redis: Redis
  #texts = new Together((ids: readonly string[]) =>
    this.#redis.hmget(redisKeys.ships, ...ids).catch(() => ids.map(() => null)),
  )

  constructor(redis: Redis) {
    this.#redis = redis
  }

  /** Notes that a host reported now, with what it measured of itself (null: not this time) and of its ships. */
  async record(host: string, sample: HostSample | null, ships: readonly ShipSample[]): Promise<void> {
    const batch = this.#redis.pipeline().hset(redisKeys.hostReports, host, new Date().toISOString())
    if (sample) batch.hset(redisKeys.hosts, host, JSON.stringify(sample))
    for (const { ship, ...measured } of ships) batch.hset(redisKeys.ships, ship, JSON.stringify(measured))
    await answered(batch.exec())
  }

  async hostReport(host: string): Promise<HostReport | null> {
    const [at, sample] = await answered(
      Promise.all([this.#redis.hget(redisKeys.hostReports, host), this.#redis.hget(redisKeys.hosts, host)]),
    )
    return at ? { at, sample: sample ? JSON.parse(sample) : null } : null
  }

  async hostReports(): Promise<Map<string, HostReport>> {
    const [times, samples] = await answered(
      Promise.all([this.#redis.hgetall(redisKeys.hostReports), this.#redis.hgetall(redisKeys.hosts)]),
    )
    return new Map(
      Object.entries(times).map(([host, at]) => [
        host,
        { at, sample: Object.hasOwn(samples, host) ? JSON.parse(samples[host] as string) : null },
      ]),
    )
  }

  /** Last samples of the ships, null where there is none. Decoration: an absent Redis gives none. */
  async ofShips(ids: readonly string[]): Promise<(Sample | null)[]> {
    return (await this.textsOfShips(ids)).map((text) => (text ? JSON.parse(text) : null))
  }

  /** The same as JSON. Many questions share one command, because a command's write was a fifth of a lookup's CPU. */
  textsOfShips(ids: readonly string[]): Promise<(string | null)[]> {
    return this.#texts.ask(ids)
  }

  async dropHost(host: string): Promise<void> {
    await answered(
      Promise.all([this.#redis.hdel(redisKeys.hostReports, host), this.#redis.hdel(redisKeys.hosts, host)]),
    )
  }

  async dropShips(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await answered(this.#redis.hdel(redisKeys.ships, ...ids))
  }

  /** Notes that the scheduler holds the tickets of these ships now. */
  async holdTickets(ids: readonly string[]): Promise<void> {
    const now = Date.now()
    const batch = this.#redis.pipeline().zremrangebyscore(redisKeys.waiting, 0, now - 600_000)
    for (const id of ids) batch.zadd(redisKeys.waiting, now, id)
    await answered(batch.exec())
  }

  /** When the scheduler last said that it holds each ticket, in ms; null: never. */
  async ticketsHeldAt(ids: readonly string[]): Promise<(number | null)[]> {
    if (ids.length === 0) return []
    const scores = await answered(this.#redis.zmscore(redisKeys.waiting, ...ids))
    return scores.map((score) => (score === null ? null : Number(score)))
  }

  async note(stormBrake: string | null): Promise<void> {
    if (stormBrake === null) await answered(this.#redis.hdel(redisKeys.notices, 'stormBrake'))
    else await answered(this.#redis.hset(redisKeys.notices, 'stormBrake', stormBrake))
  }

  async stormBrake(): Promise<string | null> {
    return answered(this.#redis.hget(redisKeys.notices, 'stormBrake'))
  }

  get connected(): boolean {
    return this.#redis.status === 'ready'
  }

  async ping(): Promise<void> {
    await answered(this.#redis.ping())
  }
}
