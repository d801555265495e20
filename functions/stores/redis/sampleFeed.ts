// The feed of what agents tell any of the ApiServers, through Redis: so that lookups need to ask Redis nothing.
//
// STATES  away -> loading -> live -> away
//
// INVARIANT: subscribed first, then loaded; what is told while it loads is newer than what is loaded.
import { randomUUID } from 'node:crypto'
import type { ChainableCommander, Redis } from 'ioredis'
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { Bell, loop } from '../../../shared/loop.ts'
import { redisKeys } from '../keys.ts'
import type { Heard, Report } from './heard.ts'
import { onMessage } from './redis.ts'

const lookEveryMs = 1_000
const pageSize = 1_000
/** Agents report every 5 s: what was not heard of for so long is no measurement any more. */
const trustMs = 15_000

export interface SampleFeedOptions {
  redis: Redis
  /** A connection for this alone; closed at the end. */
  subscriber: Redis
  heard: Heard
  /** Whether there is such a ship: what is told of others is not kept. */
  knows: (ship: string) => boolean
  log: Log
}

export class SampleFeed {
  readonly #redis: Redis
  readonly #subscriber: Redis
  readonly #heard: Heard
  readonly #knows: (ship: string) => boolean
  readonly #log: Log
  readonly #bell = new Bell()
  readonly #name = randomUUID()
  #live = false
  #liveAtMs = Number.NEGATIVE_INFINITY

  constructor({ redis, subscriber, heard, knows, log }: SampleFeedOptions) {
    this.#redis = redis
    this.#heard = heard
    this.#knows = knows
    this.#log = log
    this.#subscriber = subscriber
    this.#subscriber.on('ready', this.#bell.ring)
    this.#subscriber.on('close', () => {
      this.#live = false
    })
    onMessage(this.#subscriber, log, (_channel, text) => this.#hear(text))
  }

  /** Whether what was heard tells of the present. */
  get trusted(): boolean {
    return performance.now() - this.#liveAtMs < trustMs
  }

  /** Tells the other ApiServers, with the other commands of the batch. */
  tell(batch: ChainableCommander, report: Report): void {
    batch.publish(redisKeys.reports, JSON.stringify([this.#name, report]))
  }

  /** Follows until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const options = { name: 'samples', everyMs: lookEveryMs, signal, log: this.#log, bell: this.#bell }
    await loop(options, () => this.#look())
    this.#subscriber.disconnect()
  }

  async #look(): Promise<void> {
    if (this.#subscriber.status !== 'ready') return
    try {
      if (!this.#live) {
        await this.#subscriber.subscribe(redisKeys.reports)
        await this.#load()
        this.#live = true
      } else await this.#subscriber.ping()
      this.#liveAtMs = performance.now()
    } catch (error) {
      this.#live = false
      this.#log.debug({ error: messageOf(error) }, 'the feed of samples is away')
      this.#subscriber.disconnect(true)
    }
  }

  async #load(): Promise<void> {
    this.#heard.beginLoading()
    const [times, samples] = await Promise.all([
      this.#redis.hgetall(redisKeys.hostReports),
      this.#redis.hgetall(redisKeys.hosts),
    ])
    for (const [host, at] of Object.entries(times)) {
      const stored = { at, sample: samples[host] ?? null }
      if ((this.#heard.host(host)?.at ?? '') < at) this.#heard.loadHost(host, stored)
    }
    for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
      const [next, fields] = await this.#redis.hscan(redisKeys.ships, cursor, 'COUNT', pageSize)
      for (let i = 0; i < fields.length; i += 2) {
        const [ship, text] = [fields[i] as string, fields[i + 1] as string]
        if (this.#knows(ship)) this.#heard.loadShip(ship, text)
      }
      cursor = next
    }
  }

  #hear(text: string): void {
    const [from, report] = JSON.parse(text) as [string, Report]
    if (from === this.#name) return
    this.#heard.note({ ...report, ships: report.ships.filter(({ ship }) => this.#knows(ship)) })
  }
}
