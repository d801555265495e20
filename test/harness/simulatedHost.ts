// A host without Docker: real session, presence, box, claims and reports; its ships are Ready as soon as claimed.
//
// It reports only when it has something to say: with a thousand of them on one machine, measurements every few
// seconds would be most of the load, and they are nothing that ZooKeeper sees.
import { Reporter } from '../../agent/advisor/reporter.ts'
import { Contact } from '../../agent/contact.ts'
import { Outbox } from '../../agent/outbox.ts'
import { PullBook } from '../../agent/pullBook.ts'
import { ResizeBook } from '../../agent/resizeBook.ts'
import { Roster } from '../../agent/roster.ts'
import { answerOf, type Client, connect } from '../../shared/api/client.ts'
import { createLog, type Log } from '../../shared/log.ts'
import { Bell, loop, sleep } from '../../shared/loop.ts'
import type { HostDescription } from '../../shared/model/host.ts'
import { decodeJobs, type Job, jobKey, type StartJob } from '../../shared/model/job.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { mail } from '../../shared/zookeeper/mailbox.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { keepPresent } from '../../shared/zookeeper/presence.ts'

/** Hears of ships that a scheduler has put into the host's box. */
export type OnPlaced = (ships: readonly string[], host: string) => void

/** Hears of every claim that was granted. */
export type OnGranted = (ship: string, attempt: number, host: string) => void

export interface SimulatedHostOptions {
  id: string
  /** URL of the ApiServer. */
  url: string
  admin: Client
  zookeeper: string
  secret?: string
  /** Default 10 s. */
  sessionMs?: number
  onPlaced?: OnPlaced
  onGranted?: OnGranted
  change?: Partial<HostDescription>
}

const mostClaims = 1_000

export class SimulatedHost {
  readonly id: string
  readonly roster = new Roster()
  readonly outbox = new Outbox()
  readonly #api: Client
  readonly #reporter: Reporter
  readonly #bell = new Bell()
  readonly #over = new AbortController()
  readonly #log: Log
  readonly #onGranted: OnGranted
  readonly #onPlaced: OnPlaced
  #parts: Promise<unknown>[] = []
  #zk: ZooKeeper | undefined

  private constructor(
    api: Client,
    { id, onPlaced = () => undefined, onGranted = () => undefined }: SimulatedHostOptions,
  ) {
    this.id = id
    this.#api = api
    this.#onPlaced = onPlaced
    this.#onGranted = onGranted
    this.#log = createLog('host', process.env.ARMADA_LOG ?? 'silent').child({ host: id })
    this.#reporter = new Reporter({
      ...{ api, roster: this.roster, outbox: this.outbox, contact: new Contact(), log: this.#log },
      pulls: new PullBook(),
      resizes: new ResizeBook(),
      sampleHost: () => ({ cpuMillis: 1, memoryMiB: 1, load1: 0, diskFreeMiB: null, degraded: null }),
      sampleShips: () => [],
      degraded: () => null,
      onStale: (stale) => {
        for (const of of stale) this.roster.leave(of)
      },
    })
    this.outbox.onPut(this.#bell.ring)
    this.roster.onChange(this.#bell.ring)
  }

  /** Joins the cluster; resolves when it takes jobs. */
  static async start(options: SimulatedHostOptions): Promise<SimulatedHost> {
    const { id, url, admin, zookeeper, secret, sessionMs = 10_000, change } = options
    const description: HostDescription = {
      ...{ id, address: '10.0.0.1', labels: {}, taints: [], agentVersion: 'simulated' },
      capacity: { cpuMillis: 1_000_000, memoryMiB: 1_000_000 },
      ports: { from: 7_000, to: 8_999 },
      ...change,
    }
    const { token } = await answerOf(admin.v1.hosts['join-tokens'].$post({ json: { host: id } }))
    const joining = connect({ url }).v1.monitor.join.$post({ json: { token, host: description } })
    const { credential } = await answerOf(joining)
    const host = new SimulatedHost(connect({ url, token: credential, limitMs: 30_000 }), options)
    const log = host.#log
    const zk = await ZooKeeper.connect({
      ...{ servers: zookeeper, sessionTimeoutMs: sessionMs, connectTimeoutMs: 60_000, log },
      ...(secret && { secret }),
    })
    host.#zk = zk
    await host.#appear(zk, description)
    return host
  }

  /** Its ships end by themselves. */
  end(ships: readonly string[]): void {
    for (const ship of ships) {
      const aboard = this.roster.get(ship)
      if (!aboard) continue
      const { attempt } = aboard.grant
      this.outbox.put({ ship, attempt, state: 'Stopped', reason: 'it ended', exit: null })
      this.roster.leave(aboard.grant)
    }
  }

  async stop(): Promise<void> {
    this.#over.abort()
    await Promise.all(this.#parts)
    await this.#zk?.close()
  }

  async #appear(zk: ZooKeeper, description: HostDescription): Promise<void> {
    const { signal } = this.#over
    const log = this.#log
    await zk.ensurePath(paths.workerQueue(this.id))
    await zk.set(paths.worker(this.id), JSON.stringify(description))
    const presence = await keepPresent(zk, paths.workerPresence(this.id), {}, { signal, log })
    await answerOf(this.#api.v1.monitor.hello.$post({ json: { host: description, ships: [] } }))
    this.#reporter.sendAll()
    const report = async () => {
      await this.#reporter.send()
      // After refusals it says less at a time.
      if (this.outbox.size > 0) this.#bell.ring()
    }
    this.#parts = [
      presence.ended,
      loop({ name: 'reports', everyMs: 600_000, signal, log, bell: this.#bell }, report),
      this.#takeJobs(zk),
    ]
  }

  async #takeJobs(zk: ZooKeeper): Promise<void> {
    const format = { decode: decodeJobs, keyOf: jobKey, log: this.#log }
    for await (const jobs of mail<Job>(zk, paths.workerQueue(this.id), this.#over.signal, format)) {
      this.end(jobs.filter((job) => job.kind === 'stop').map((job) => job.ship))
      const starts = jobs.filter((job) => job.kind === 'start')
      this.#onPlaced(
        starts.map((job) => job.ship),
        this.id,
      )
      for (let i = 0; i < starts.length; i += mostClaims) await this.#claim(starts.slice(i, i + mostClaims))
    }
  }

  async #claim(starts: readonly StartJob[]): Promise<void> {
    const claims = starts.map(({ ship, attempt, ports }) => ({ ship, attempt, ports }))
    while (!this.#over.signal.aborted) {
      try {
        const { granted } = await answerOf(this.#api.v1.monitor.claims.$post({ json: { claims } }))
        for (const grant of granted) {
          this.#onGranted(grant.ship, grant.attempt, this.id)
          if (!this.roster.board(grant, 'Ready')) continue
          this.outbox.put({ ship: grant.ship, attempt: grant.attempt, state: 'Ready' })
        }
        return
      } catch {
        await sleep(200 * Math.random(), this.#over.signal)
      }
    }
  }
}

/** Starts so many hosts, some at a time. */
export async function startHosts(
  count: number,
  options: (id: string) => SimulatedHostOptions,
): Promise<SimulatedHost[]> {
  const hosts: SimulatedHost[] = []
  const rest = Array.from({ length: count }, (_, i) => `host-${i}`).values()
  const lane = async (): Promise<void> => {
    for (const id of rest) hosts.push(await SimulatedHost.start(options(id)))
  }
  await Promise.all(Array.from({ length: Math.min(16, count) }, lane))
  return hosts
}
