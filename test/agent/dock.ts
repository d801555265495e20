// What the agent's tests stand on: a real dockerd, a real ZooKeeper, one small image, and agents as processes.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type Dockerd, type DockerdOptions, startDockerd } from '../../infra/stack/dockerd.ts'
import { askEngine, tellEngine } from '../../infra/stack/engine.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import type { Server } from '../../infra/stack/server.ts'
import { startZooKeeper } from '../../infra/stack/zookeeper.ts'
import { createLog } from '../../shared/log.ts'
import { decodeJobs, encodeJobs, type Job, jobKey, type Order } from '../../shared/model/job.ts'
import type { PortChoice } from '../../shared/model/port.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { Mailboxes } from '../../shared/zookeeper/mailbox.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { type HostPorts, takeHostPorts } from '../harness/hostPorts.ts'
import { until } from '../harness/until.ts'
import { type FakeMonitor, startFakeMonitor } from './fakeMonitor.ts'

export const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
export const image = 'armada-test/busybox:1'
const root = join(import.meta.dirname, '../..')

export interface Inspected {
  Id: string
  Name: string
  State: { Status: string; Pid: number; ExitCode: number; StartedAt: string }
  HostConfig: Record<string, unknown>
  Config: { Env: string[]; Cmd: string[]; Labels: Record<string, string> }
}

export type ShipSpec = Parameters<FakeMonitor['place']>[2]

export interface Agent {
  readonly id: string
  readonly process: ChildProcess
  /** Exit code; null after a signal. */
  readonly ended: Promise<number | null>
  output(): string
  /** SIGTERM or the given signal, and its exit code and how long that took. */
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; tookMs: number }>
  kill(): Promise<void>
}

export interface Dock {
  docker: Dockerd
  zookeeper: Server
  zk: ZooKeeper
  monitor: FakeMonitor
  /** Of all its agents together. */
  ports: HostPorts
  /** Starts an agent; resolves once it has said hello. */
  startAgent(id: string, env?: Record<string, string>): Promise<Agent>
  sendJobs(host: string, jobs: readonly Order[]): Promise<void>
  /** Places a ship on the host, of `image` if nothing else is said, and sends the job to start it. */
  sendShip(host: string, ship: string, spec?: Partial<ShipSpec>, ports?: PortChoice): Promise<void>
  containers(
    all?: boolean,
  ): Promise<{ Id: string; Names: string[]; State: string; Labels: Record<string, string> }[]>
  inspect(name: string): Promise<Inspected | undefined>
  engine(method: 'GET' | 'POST' | 'DELETE', path: string, json?: unknown): Promise<string>
  close(): Promise<void>
}

export async function openDock(options: Pick<DockerdOptions, 'liveRestore'> = {}): Promise<Dock> {
  const scratch = await scratchDir('disk')
  const [ports, docker, zookeeper, monitor] = await Promise.all([
    takeHostPorts(),
    startDockerd({
      ...{ dir: join(scratch.dir, 'docker'), graceSeconds: 0, endWithParent: true, log },
      ...options,
    }),
    startZooKeeper({ dir: join(scratch.dir, 'zk'), fsync: false, heapMiB: 128, endWithParent: true, log }),
    startFakeMonitor(),
  ])
  const zk = await ZooKeeper.connect({ servers: zookeeper.address, log })
  await importBusybox(docker, scratch)
  const boxes = new Mailboxes<Job>(zk, {
    pathOf: paths.workerQueue,
    ...{ encode: encodeJobs, decode: decodeJobs, keyOf: jobKey, log },
    keep: () => true,
  })
  const agents: Agent[] = []
  const engine: Dock['engine'] = (method, path, json) =>
    tellEngine(docker.engine, { method, path, json, limitMs: 30_000 })
  const sendJobs: Dock['sendJobs'] = async (host, jobs) => {
    await zk.ensurePath(paths.workerQueue(host))
    await boxes.post(host, jobs.map(jobOf))
  }
  return {
    ...{ docker, zookeeper, zk, monitor, ports, engine },
    startAgent: async (id, env = {}) => {
      const hellos = monitor.hellos.filter((hello) => hello.host.id === id).length
      const agent = spawnAgent(id, {
        ARMADA_API: monitor.url,
        ARMADA_ZOOKEEPER: zookeeper.address,
        ARMADA_DOCKER: docker.engine.socketPath,
        ARMADA_STATE_DIR: join(scratch.dir, `state-${id}`),
        ARMADA_JOIN_TOKEN: `token-of-${id}`,
        ARMADA_HOST_ADDRESS: '127.0.0.1',
        ARMADA_PORTS: ports.range,
        ARMADA_SDK_PORTS: ports.sdk,
        ARMADA_SESSION_MS: '2000',
        ARMADA_CPU_MILLIS: '100000',
        ...env,
      })
      agents.push(agent)
      const isUp = () =>
        agent.process.exitCode !== null ||
        monitor.hellos.filter((hello) => hello.host.id === id).length > hellos
      await until(isUp, 20_000)
      return agent
    },
    sendJobs,
    sendShip: async (host, ship, spec = {}, ports = {}) => {
      const { attempt } = monitor.place(host, ship, { image, ...spec }, ports)
      await sendJobs(host, [{ kind: 'start', ship, attempt, ports }])
    },
    containers: async (all = true) => JSON.parse(await engine('GET', `/containers/json?all=${all}`)),
    inspect: async (name) => {
      const { status, body } = await askEngine(docker.engine, { path: `/containers/${name}/json` })
      return status === 200 ? (JSON.parse(body) as Inspected) : undefined
    },
    close: async () => {
      await Promise.all(agents.map((agent) => agent.kill()))
      await zk.close()
      await Promise.all([docker.stop(), zookeeper.stop(), monitor.close()])
      await scratch.remove()
    },
  }
}

function jobOf(order: Order): Job {
  if (order.kind === 'stop') return { ...order, atMs: Date.now() }
  return { ...order, fleet: null, resources: { cpuMillis: 500, memoryMiB: 512 } }
}

/** As a source file, or as ARMADA_TEST_AGENT says: Node's options and the built program. */
const agentCommand = process.env.ARMADA_TEST_AGENT
  ? process.env.ARMADA_TEST_AGENT.split(' ')
  : ['--import', 'tsx', join(root, 'agent/main.ts')]

function spawnAgent(id: string, env: Record<string, string>): Agent {
  const child = spawn(process.execPath, agentCommand, {
    cwd: root,
    env: { ...process.env, ARMADA_HOST_ID: id, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let text = ''
  child.stderr.setEncoding('utf8').on('data', (part) => {
    text = (text + part).slice(-200_000)
    if (process.env.ARMADA_AGENT_LOG) process.stderr.write(part)
  })
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  return {
    id,
    process: child,
    ended,
    output: () => text,
    stop: async (signal = 'SIGTERM') => {
      const beginMs = performance.now()
      child.kill(signal)
      return { code: await ended, tookMs: performance.now() - beginMs }
    },
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

const commands = [
  'sh',
  'sleep',
  'httpd',
  'echo',
  'cat',
  'mkdir',
  'mv',
  'yes',
  'dd',
  'env',
  'kill',
  'head',
  'tail',
]

/** Imports `image`. */
export async function importBusybox(docker: Dockerd, scratch: Scratch): Promise<void> {
  const tree = join(scratch.dir, 'busybox')
  for (const folder of ['bin', 'www', 'tmp']) mkdirSync(join(tree, folder), { recursive: true })
  copyFileSync('/bin/busybox', join(tree, 'bin/busybox'))
  for (const name of commands) symlinkSync('busybox', join(tree, 'bin', name))
  const tar = spawn('tar', ['-C', tree, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const query = `fromSrc=-&repo=armada-test/busybox&tag=1&changes=${encodeURIComponent('ENV PATH=/bin')}`
  const body = Readable.from(tar.stdout)
  await tellEngine(docker.engine, { method: 'POST', path: `/images/create?${query}`, body, limitMs: 30_000 })
}
