// Real ZooKeeper servers for tests: start, kill, freeze, thaw, restart on the same port, wipe.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { untilStandsStill } from '../../infra/stack/leftover.ts'
import { startChild } from './child.ts'

const java = [
  ...['-Xms32m', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dzookeeper.preAllocSize=1024'],
  ...['-cp', '/usr/share/java/zookeeper.jar', 'org.apache.zookeeper.server.quorum.QuorumPeerMain'],
]

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** The server's answer to a four-letter word; empty when it does not answer within 300 ms. */
function ask(port: number, word: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(word))
    let text = ''
    socket.setTimeout(300, () => socket.destroy())
    socket.on('data', (data) => {
      text += data
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
  })
}

export class ZooKeeperServer {
  readonly port: number
  readonly #folder: string
  #process: ChildProcess | undefined

  private constructor(port: number, folder: string) {
    this.port = port
    this.#folder = folder
  }

  /** A single server. Session timeouts are granted from 2 to 20 ticks. */
  static async start(tickMs = 200): Promise<ZooKeeperServer> {
    const server = await ZooKeeperServer.prepare(await freePort(), tickMs, 1, '')
    await server.restart()
    return server
  }

  /** Writes the configuration; `members` are the `server.N` lines of an ensemble. */
  static async prepare(port: number, tickMs: number, id: number, members: string): Promise<ZooKeeperServer> {
    const folder = await mkdtemp(join(tmpdir(), 'armada-zookeeper-'))
    const lines = [
      `tickTime=${tickMs}`,
      `dataDir=${folder}`,
      `clientPort=${port}`,
      'clientPortAddress=127.0.0.1',
      'maxClientCnxns=0',
      'admin.enableServer=false',
      'forceSync=no',
      '4lw.commands.whitelist=srvr',
      members,
    ]
    await writeFile(join(folder, 'zoo.cfg'), lines.join('\n'))
    await writeFile(join(folder, 'myid'), String(id))
    return new ZooKeeperServer(port, folder)
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Starts without waiting until it serves. */
  launch(): void {
    this.#process = startChild('java', [...java, join(this.#folder, 'zoo.cfg')], 'ignore')
  }

  /** Starts, after a kill on the same port with the same data, and waits until it serves. */
  async restart(): Promise<void> {
    this.launch()
    await this.serving()
  }

  async serving(limitMs = 20_000): Promise<string> {
    for (const end = Date.now() + limitMs; Date.now() < end; await delay(50)) {
      const mode = await this.mode()
      if (mode) return mode
    }
    throw new Error(`the ZooKeeper server on port ${this.port} does not serve`)
  }

  /** `standalone`, `leader`, `follower`, or nothing when it does not serve. */
  async mode(): Promise<string | undefined> {
    return /^Mode: (\w+)/m.exec(await ask(this.port, 'srvr'))?.[1]
  }

  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  pause(): void {
    this.#process?.kill('SIGSTOP')
    if (this.#process?.pid) untilStandsStill(this.#process.pid)
  }

  resume(): void {
    this.#process?.kill('SIGCONT')
  }

  /** Kills it and empties its data: what comes back at the next restart knows nothing. */
  async wipe(): Promise<void> {
    await this.kill()
    await rm(join(this.#folder, 'version-2'), { recursive: true, force: true })
  }

  /** Kills it and removes its folder. */
  async stop(): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** Three servers that elect a leader. */
export class ZooKeeperEnsemble {
  readonly servers: readonly ZooKeeperServer[]

  private constructor(servers: readonly ZooKeeperServer[]) {
    this.servers = servers
  }

  static async start(tickMs = 200): Promise<ZooKeeperEnsemble> {
    const members = await Promise.all(
      [1, 2, 3].map(async (id) => `server.${id}=127.0.0.1:${await freePort()}:${await freePort()}`),
    )
    const shared = ['initLimit=50', 'syncLimit=20', 'standaloneEnabled=false', 'quorumListenOnAllIPs=false']
    const lines = [...shared, ...members].join('\n')
    const servers = await Promise.all(
      [1, 2, 3].map(async (id) => ZooKeeperServer.prepare(await freePort(), tickMs, id, lines)),
    )
    await Promise.all(servers.map((server) => server.restart()))
    return new ZooKeeperEnsemble(servers)
  }

  get addresses(): string {
    return this.servers.map((server) => server.address).join(',')
  }

  async leader(): Promise<ZooKeeperServer> {
    for (const server of this.servers) if ((await server.mode()) === 'leader') return server
    throw new Error('the ensemble has no leader')
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()))
  }
}
