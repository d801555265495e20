// ZooKeeper for one machine: a single server, or one member of an ensemble, on loopback.
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Log } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import { livingMark } from './leftover.ts'
import { isListening } from './listening.ts'
import { freePort, keptPorts } from './port.ts'
import { type Revive, startServer } from './process.ts'
import type { Server } from './server.ts'

/** Where Debian and Ubuntu put ZooKeeper (package libzookeeper-java); the jar names the others it needs. */
const zooKeeperJar = '/usr/share/java/zookeeper.jar'

interface Peer {
  id: number
  quorumPort: number
  electionPort: number
}

export interface ZooKeeperOptions {
  /** Folder of its data; the same folder brings the data back. */
  dir: string
  port?: number
  /** Sync the log to disk before a write is acknowledged. Default true. */
  fsync?: boolean
  /** Clients may ask for sessions of 2 to 20 ticks. Default 500, which is sessions of 1 to 10 s. */
  sessionTickMs?: number
  heapMiB?: number
  ensemble?: { id: number; peers: readonly Peer[] }
  endWithParent?: boolean
  revive?: Revive
  log: Log
}

/** Starts ZooKeeper on loopback; `address` is `host:port`. */
export async function startZooKeeper(options: ZooKeeperOptions): Promise<Server> {
  const { dir, heapMiB = 512, ensemble, endWithParent = false, revive = false, log } = options
  const port = options.port ?? (await keptPorts(dir, ['client'], livingMark(dir) !== undefined)).client
  const data = join(dir, 'data')
  mkdirSync(data, { recursive: true })
  if (ensemble !== undefined) writeFileSync(join(data, 'myid'), `${ensemble.id}\n`)
  writeFileSync(join(dir, 'zoo.cfg'), settings(options, data, port))
  return await startServer({
    name: ensemble === undefined ? 'zookeeper' : `zookeeper-${ensemble.id}`,
    dir,
    command: 'java',
    args: [
      ...['-Xms32m', `-Xmx${heapMiB}m`, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
      ...['-Dzookeeper.preAllocSize=4096', '-Dznode.container.checkIntervalMs=500'],
      ...['-cp', zooKeeperJar, 'org.apache.zookeeper.server.quorum.QuorumPeerMain', join(dir, 'zoo.cfg')],
    ],
    address: `127.0.0.1:${port}`,
    // A member of an ensemble serves nobody before the others are there, so it is up when it listens.
    answers: () => (ensemble === undefined ? isServing(port) : isListening({ host: '127.0.0.1', port })),
    endWithParent,
    revive,
    log,
  })
}

function settings(options: ZooKeeperOptions, data: string, port: number): string {
  const { fsync = true, sessionTickMs = 500, ensemble } = options
  const lines = [
    `tickTime=${sessionTickMs}`,
    `dataDir=${data}`,
    `clientPort=${port}`,
    'clientPortAddress=127.0.0.1',
    'maxClientCnxns=0',
    'admin.enableServer=false',
    'extendedTypesEnabled=true',
    `forceSync=${fsync ? 'yes' : 'no'}`,
    '4lw.commands.whitelist=srvr,ruok,mntr',
    'autopurge.snapRetainCount=3',
    'autopurge.purgeInterval=1',
  ]
  if (ensemble !== undefined) {
    lines.push('initLimit=20', 'syncLimit=10', 'standaloneEnabled=false', 'quorumListenOnAllIPs=false')
    for (const peer of ensemble.peers) {
      lines.push(`server.${peer.id}=127.0.0.1:${peer.quorumPort}:${peer.electionPort}`)
    }
  }
  return `${lines.join('\n')}\n`
}

/** Starts an ensemble; resolves when it has a quorum. The address of the whole is all members' with commas. */
export async function startZooKeeperEnsemble(
  options: Omit<ZooKeeperOptions, 'ensemble' | 'port'>,
  size = 3,
): Promise<readonly Server[]> {
  const peers: Peer[] = []
  for (let id = 1; id <= size; id++) {
    peers.push({ id, quorumPort: await freePort(), electionPort: await freePort() })
  }
  const members = peers.map((peer) =>
    startZooKeeper({ ...options, dir: join(options.dir, String(peer.id)), ensemble: { id: peer.id, peers } }),
  )
  const servers = await Promise.all(members)
  await Promise.all(servers.map((server) => untilServing(server)))
  return servers
}

/** Resolves when the member takes part in a quorum, or after `limitMs`. */
export async function untilServing(server: Server, limitMs = 20_000): Promise<boolean> {
  const port = Number(server.address.split(':')[1])
  const endMs = performance.now() + limitMs
  while (performance.now() < endMs) {
    if (await isServing(port)) return true
    await sleep(25)
  }
  return false
}

/** `srvr` sent while the server starts may never be answered, hence the limit on each try. */
async function isServing(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    let reply = ''
    const socket = connect({ port, host: '127.0.0.1', timeout: 300 }, () => socket.write('srvr'))
    const finish = (): void => {
      socket.destroy()
      resolve(reply.includes('Mode:'))
    }
    socket.on('data', (data) => {
      reply += data.toString('latin1')
    })
    socket.once('end', finish)
    socket.once('timeout', finish)
    socket.once('error', finish)
  })
}
