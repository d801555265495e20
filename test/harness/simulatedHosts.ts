// Hosts without machines: they are present in ZooKeeper, claim what is placed on them, say that it is Ready, and report.
import { answerOf, type Client } from '../../shared/api/client.ts'
import { ArmadaError } from '../../shared/errors.ts'
import { createLog } from '../../shared/log.ts'
import { loop } from '../../shared/loop.ts'
import type { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { each } from '../../shared/zookeeper/persistence.ts'
import type { ApiServer } from './apiServer.ts'
import { describeHost, joinHost } from './twoServers.ts'

const log = createLog('hosts', 'silent')
const capacity = { cpuMillis: 1_000_000, memoryMiB: 1_000_000 }
type Reports = Parameters<Client['v1']['monitor']['reports']['$post']>[0]['json']

class SimulatedHost {
  readonly aboard = new Set<string>()
  readonly client: Client
  readonly name: string

  constructor(name: string, client: Client) {
    this.name = name
    this.client = client
  }

  /** Takes what was placed here, as often as it is asked. */
  async take(placed: readonly { ship: string; attempt: number }[]): Promise<void> {
    const claims = placed.map((of) => ({ ...of, ports: {} }))
    const { granted } = await answerOf(this.client.v1.monitor.claims.$post({ json: { claims } }))
    const changes = granted.map(({ ship, attempt }) => ({ ship, attempt, state: 'Ready' as const }))
    if (changes.length > 0) await this.#send({ changes, host: null, ships: [] })
    for (const { ship } of granted) this.aboard.add(ship)
  }

  async report(): Promise<void> {
    const host = { cpuMillis: 1, memoryMiB: 1, load1: 1, diskFreeMiB: 1, degraded: null }
    const measured = { maxPlayers: 1_000, map: this.name, cpuMillis: 10, memoryMiB: 60 }
    const ships = [...this.aboard].map((ship, players) => ({ ship, players, ...measured }))
    await this.#send({ changes: [], host, ships })
  }

  async #send(report: Omit<Reports, 'holdings'>): Promise<void> {
    await answerOf(this.client.v1.monitor.reports.$post({ json: { ...report, holdings: null } }))
  }
}

export class SimulatedHosts {
  /** Answers that an agent must never get: neither good nor 503. */
  readonly surprises: string[] = []
  readonly #zk: ZooKeeper
  readonly #hosts = new Map<string, SimulatedHost>()
  reporting = true

  constructor(zk: ZooKeeper) {
    this.#zk = zk
  }

  get names(): string[] {
    return [...this.#hosts.keys()]
  }

  /** Joins so many, in turn at the ApiServers. */
  async join(count: number, apis: readonly Pick<ApiServer, 'admin' | 'as'>[]): Promise<void> {
    for (let i = 0; i < count; i++) {
      const name = `sim-${i}`
      const { client } = await joinHost(apis[i % apis.length] as ApiServer, name, { capacity })
      await this.#zk.ensurePath(paths.workerQueue(name))
      await this.#zk.set(paths.worker(name), JSON.stringify(describeHost(name, { capacity })))
      this.#hosts.set(name, new SimulatedHost(name, client))
      await this.appear(name)
    }
  }

  async appear(name: string): Promise<void> {
    await this.#zk.create(paths.workerPresence(name), '', 'ephemeral')
  }

  async vanish(name: string): Promise<void> {
    await this.#zk.delete(paths.workerPresence(name))
  }

  /** Lives until the signal fires. @param eyes shows what was placed. */
  async run(eyes: Client, signal: AbortSignal): Promise<void> {
    await Promise.all([
      loop({ name: 'claims', everyMs: 200, signal, log }, () => this.#work(eyes)),
      loop({ name: 'reports', everyMs: 5_000, signal, log }, async () => {
        if (this.reporting) await this.#each([...this.#hosts.values()], (host) => host.report())
      }),
    ])
  }

  async #work(eyes: Client): Promise<void> {
    const query = { state: 'Scheduled,Starting', limit: '1000' }
    const { ships } = await answerOf(eyes.v1.ships.$get({ query }))
    const placed = new Map<string, { ship: string; attempt: number }[]>()
    for (const { id, attempt, host } of ships) {
      if (host) placed.set(host, [...(placed.get(host) ?? []), { ship: id, attempt }])
    }
    const hosts = [...this.#hosts.values()].filter(({ name }) => placed.has(name))
    await this.#each(hosts, (host) => host.take(placed.get(host.name) ?? []))
  }

  async #each(hosts: readonly SimulatedHost[], act: (host: SimulatedHost) => Promise<void>): Promise<void> {
    await each(hosts, 4, async (host) => {
      try {
        await act(host)
      } catch (error) {
        if (!(error instanceof ArmadaError && error.code === 'unavailable'))
          this.surprises.push(`${host.name}: ${error}`)
      }
    })
  }
}
