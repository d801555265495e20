// A whole Armada for one test file: real stores, a dockerd of its own, and Armada's processes as they are shipped.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Launch, startAgent, startApi, startRunner } from '../../infra/processes.ts'
import type { Game } from '../../infra/quickstart/games.ts'
import { buildQuickstartImage } from '../../infra/quickstart/image.ts'
import { type Dockerd, startDockerd } from '../../infra/stack/dockerd.ts'
import { type ContainerLine, listContainers } from '../../infra/stack/engine.ts'
import { freePort } from '../../infra/stack/port.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import type { Server } from '../../infra/stack/server.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf, type Client, connect } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import type { ShipView } from '../../shared/model/ship.ts'
import type { Settings } from '../../shared/settings.ts'
import { adminToken, runnerToken } from './apiServer.ts'
import { type HostPorts, takeHostPorts } from './hostPorts.ts'

type LogLevel = Settings<'agent'>['logLevel']

const root = join(import.meta.dirname, '..', '..')
export const sessionMs = 4_000
export const zookeeperSecret = 'test-zookeeper-secret'

export interface HostOptions {
  memoryMiB?: number
  cpuMillis?: number
  onStop?: 'keep' | 'return'
  credentialMs?: number
  /** The folder with its agent.js; default: as it was built here. */
  dist?: string
  /** `from-to`, for the SDK of ships on the host's network; default: 25 ships have room. */
  sdkPorts?: string
  /** Socket of its engine; default: that of the cluster. */
  docker?: string
  /** For Node itself. */
  nodeArgs?: readonly string[]
}

export interface ClusterOptions {
  forgetMs?: number
  unclaimedMs?: number
  /** Of all processes. Default: debug. */
  logLevel?: LogLevel
}

export class Cluster {
  readonly stack: Stack
  readonly docker: Dockerd
  readonly url: string
  readonly client: Client
  readonly agents = new Map<string, Server>()
  /** By host, which keeps them when its agent is started again. */
  readonly ports = new Map<string, HostPorts>()
  api!: Server
  scheduler!: Server
  controllers!: Server
  readonly #scratch: Scratch
  readonly #disk: Scratch
  readonly #log = createLog('cluster', process.env.ARMADA_LOG ?? 'silent')
  readonly #others: Server[] = []
  readonly #logLevel: LogLevel

  private constructor(
    parts: { stack: Stack; docker: Dockerd; url: string; logLevel: LogLevel },
    scratch: Scratch,
    disk: Scratch,
  ) {
    this.stack = parts.stack
    this.docker = parts.docker
    this.url = parts.url
    this.#logLevel = parts.logLevel
    this.client = connect({ url: parts.url, token: adminToken })
    this.#scratch = scratch
    this.#disk = disk
  }

  /** Starts everything but agents, and makes the images of the games. */
  static async start(
    games: readonly Game[],
    { logLevel = 'debug', ...runner }: ClusterOptions = {},
  ): Promise<Cluster> {
    const log = createLog('cluster', process.env.ARMADA_LOG ?? 'silent')
    const [scratch, disk] = await Promise.all([scratchDir(), scratchDir('disk')])
    const [stack, docker, port] = await Promise.all([
      startStack({ dir: scratch.dir, profile: 'fast', log }),
      startDockerd({ dir: join(disk.dir, 'docker'), endWithParent: true, graceSeconds: 1, log }),
      freePort(),
    ])
    const url = `http://127.0.0.1:${port}`
    const cluster = new Cluster({ stack, docker, url, logLevel }, scratch, disk)
    const cacheDir = join(root, '.armada', 'cache')
    for (const game of games) await buildQuickstartImage({ docker: docker.engine, game, cacheDir })
    const shared = cluster.#shared()
    cluster.api = await cluster.#startApi(port, cluster.#launch())
    const settings = { ...shared, ...runner, api: url, runnerToken }
    cluster.scheduler = await startRunner('scheduler', settings, cluster.#launch())
    cluster.controllers = await startRunner('controllers', settings, cluster.#launch())
    return cluster
  }

  /** One more ApiServer, beside the one that everything else speaks to. */
  async addApi(): Promise<{ url: string; client: Client; server: Server }> {
    const port = await freePort()
    const launch = { ...this.#launch(), dir: join(this.#scratch.dir, `api-${port}`) }
    const server = await this.#startApi(port, launch)
    this.#others.push(server)
    const url = `http://127.0.0.1:${port}`
    return { url, client: connect({ url, token: adminToken }), server }
  }

  async addHost(hostId: string, options: HostOptions = {}): Promise<Server> {
    const { token } = await answerOf(this.client.v1.hosts['join-tokens'].$post({ json: { host: hostId } }))
    const ports = this.ports.get(hostId) ?? (await takeHostPorts())
    this.ports.set(hostId, ports)
    const agent = await startAgent(
      {
        ...this.#shared(),
        api: this.url,
        hostId,
        joinToken: token,
        stateDir: join(this.#disk.dir, hostId),
        docker: options.docker ?? this.docker.engine.socketPath,
        hostAddress: '127.0.0.1',
        portRange: ports.range,
        sdkPorts: options.sdkPorts ?? ports.sdk,
        memoryMiB: options.memoryMiB ?? 8_192,
        cpuMillis: options.cpuMillis ?? 64_000,
        onStop: options.onStop ?? 'keep',
        ...(options.credentialMs && { credentialMs: options.credentialMs }),
      },
      adminToken,
      {
        ...this.#launch(),
        ...(options.dist && { dist: options.dist }),
        ...(options.nodeArgs && { nodeArgs: options.nodeArgs }),
      },
    )
    this.agents.set(hostId, agent)
    return agent
  }

  async ships(filter: { fleet?: string; host?: string } = {}): Promise<ShipView[]> {
    return (await answerOf(this.client.v1.ships.$get({ query: { limit: '1000', ...filter } }))).ships
  }

  /** Running containers of ships, as dockerd itself sees them. */
  async containers(): Promise<ContainerLine[]> {
    return (await listContainers(this.docker.engine, 'armada.ship')).filter(
      (line) => line.State === 'running',
    )
  }

  /** What one of the processes has logged so far: `api`, `scheduler`, `controllers` or `agent-<host>`. */
  logOf(name: string): Record<string, unknown>[] {
    const lines = readFileSync(join(this.#scratch.dir, name, `${name}.log`), 'utf8').split('\n')
    return lines.filter((line) => line.startsWith('{') && line.endsWith('}')).map((line) => JSON.parse(line))
  }

  /** Asks until the answer is there. @throws with what was seen last when it takes longer than the limit. */
  async until<T>(what: string, limitMs: number, ask: () => Promise<T | undefined | false>): Promise<T> {
    const endMs = performance.now() + limitMs
    let last = ''
    for (;;) {
      try {
        const answer = await ask()
        if (answer) return answer
      } catch (error) {
        last = String(error)
      }
      if (performance.now() > endMs) {
        const seen = await this.ships().then(
          (ships) =>
            ships
              .map((ship) => `${ship.id} ${ship.state} ${ship.attempt} ${ship.host} ${ship.reason ?? ''}`)
              .join('\n'),
          String,
        )
        throw new Error(`not within ${limitMs} ms: ${what} ${last}\n${seen}`)
      }
      await sleep(100)
    }
  }

  /** Resolves when the fleet has just `count` ships that are Ready and none that is on its way. */
  async fleetReady(fleet: string, count: number, limitMs: number): Promise<ShipView[]> {
    return await this.until(`${count} ships of ${fleet} Ready`, limitMs, async () => {
      const live = (await this.ships({ fleet })).filter((ship) => !['Stopped', 'Failed'].includes(ship.state))
      return live.length === count && live.every((ship) => ship.state === 'Ready') && live
    })
  }

  async stop(): Promise<void> {
    for (const server of [
      ...this.agents.values(),
      ...this.#others,
      this.scheduler,
      this.controllers,
      this.api,
    ])
      await server?.kill()
    await Promise.all([this.docker.stop(), this.stack.stop()])
    await Promise.all([this.#scratch.remove(), this.#disk.remove()])
  }

  #startApi(listenPort: number, launch: Launch): Promise<Server> {
    const { etcd, redis } = this.stack
    const stores = { etcd: etcd.address, redis: redis.address }
    return startApi({ ...this.#shared(), ...stores, listenPort, adminToken, runnerToken }, launch)
  }

  #shared() {
    return {
      zookeeper: this.stack.zookeeper.address,
      zookeeperSecret,
      sessionMs,
      logLevel: this.#logLevel,
    }
  }

  #launch() {
    return { dir: this.#scratch.dir, dist: join(root, 'dist'), endWithParent: true, log: this.#log }
  }
}
