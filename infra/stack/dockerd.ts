// A Docker engine of our own, for machines that have Docker's programs and no running engine, and for tests.
//
// INVARIANTS
// - Containers outlive dockerd (`--live-restore`, unless it is turned off, and containerd is a process of its own): after a kill -9 of
//   dockerd they run on with the same pid. Only `stop` ends them.
// - Several engines live side by side: own data, sockets, cgroup, bridge; shared iptables chains are left alone.
// - After `stop` nothing of it is left but the data folder, which can be deleted.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { delegateControllers } from './cgroup.ts'
import { startContainerd } from './containerd.ts'
import { engineAnswers, listContainers, stopContainers } from './engine.ts'
import { buildNetwork, chooseNetwork, clearNetwork } from './engineNetwork.ts'
import { type EnginePlaces, placesOf } from './enginePlaces.ts'
import { endLeftover } from './leftover.ts'
import { type Revive, startServer } from './process.ts'
import { clearRemains } from './remains.ts'
import type { Server } from './server.ts'

export interface DockerdOptions {
  /** Folder of its images and containers; the same folder brings them back. Not in memory. */
  dir: string
  /** Let dockerd manage iptables when no other engine does: ships then see their players' addresses. Default false. */
  iptables?: boolean
  /** Containers run on while dockerd is away. Default true; without it they are ended when it starts again. */
  liveRestore?: boolean
  /** Seconds that containers have to end by themselves at `stop`. Default 10. */
  graceSeconds?: number
  endWithParent?: boolean
  revive?: Revive
  log: Log
}

export interface Dockerd extends Server {
  /** Ends the containers, the engine, and all that is left of it but the data folder. */
  stop(): Promise<void>
  /** Restarts dockerd alone: containers run on. After `stop` it starts the whole engine again. */
  restart(): Promise<void>
  readonly engine: { socketPath: string }
  readonly containerd: Server
}

/** Starts containerd and dockerd as root; resolves when the engine answers. Takes over those of a killed run. */
export async function startDockerd(options: DockerdOptions): Promise<Dockerd> {
  const places = placesOf(options.dir)
  const { dir, runDir, socketPath } = places
  const engine = { socketPath }
  delegateControllers()
  const containerd = await startContainerd(places, options)
  try {
    const network = await chooseNetwork(places, options.iptables ?? false)
    await buildNetwork(places, network, options.log)
    const dockerd = await startServer({
      name: 'dockerd',
      dir: join(dir, 'dockerd'),
      command: 'dockerd',
      args: [
        ...['--config-file', emptyConfig(dir), '--data-root', join(dir, 'data')],
        ...['--exec-root', join(runDir, 'exec'), '--pidfile', join(runDir, 'docker.pid')],
        ...[
          '--host',
          `unix://${socketPath}`,
          '--group',
          'root',
          '--containerd',
          places.marks.containerdSocket,
        ],
        ...['--bridge', network.bridge, `--iptables=${network.iptables}`, '--ip6tables=false'],
        ...[
          `--ip-masq=${network.iptables}`,
          `--live-restore=${options.liveRestore ?? true}`,
          '--cgroup-parent',
          `/${places.marks.cgroupParent}`,
        ],
        ...['--exec-opt', 'native.cgroupdriver=cgroupfs', '--log-level', 'warn'],
      ],
      address: `unix://${socketPath}`,
      answers: () => engineAnswers(engine),
      // After a kill -9 the file stays, and dockerd refuses to start when its number belongs to a living process.
      beforeStart: () => rmSync(join(runDir, 'docker.pid'), { force: true }),
      endWithParent: options.endWithParent ?? false,
      revive: options.revive ?? false,
      log: options.log,
    })
    const stop = async (): Promise<void> => {
      await endContainers(engine, options)
      await dockerd.stop()
      await containerd.stop()
      await clearEngine(places)
    }
    const restart = async (): Promise<void> => {
      await buildNetwork(places, network, options.log)
      if (containerd.pid === undefined) await containerd.restart()
      await dockerd.restart()
    }
    return wrap(dockerd, { engine, containerd, stop, restart })
  } catch (error) {
    await containerd.stop()
    await clearEngine(places)
    throw error
  }
}

/** The server's own verbs, with another `stop` and `restart`, and what a Docker engine has beyond them. */
function wrap(server: Server, more: Pick<Dockerd, 'engine' | 'containerd' | 'stop' | 'restart'>): Dockerd {
  return {
    ...more,
    name: server.name,
    address: server.address,
    get pid() {
      return server.pid
    },
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
  }
}

async function endContainers(engine: { socketPath: string }, options: DockerdOptions): Promise<void> {
  const { graceSeconds = 10, log } = options
  try {
    const running = (await listContainers(engine)).filter((container) => container.State !== 'exited')
    await stopContainers(
      engine,
      running.map((container) => container.Id),
      graceSeconds,
    )
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'the engine does not answer; its containers are killed')
  }
}

function emptyConfig(dir: string): string {
  const file = join(dir, 'daemon.json')
  writeFileSync(file, '{}\n')
  return file
}

async function clearEngine(places: EnginePlaces): Promise<void> {
  await clearRemains(places.marks)
  await clearNetwork(places)
  rmSync(places.runDir, { recursive: true, force: true })
}

/** Ends whatever a killed run left of the engine in `dir`: processes, containers, mounts, network. */
export async function clearDockerd(dir: string): Promise<boolean> {
  const places = placesOf(dir)
  const dockerd = await endLeftover(join(places.dir, 'dockerd'))
  const containerd = await endLeftover(join(places.dir, 'containerd'))
  await clearEngine(places)
  return dockerd || containerd
}
