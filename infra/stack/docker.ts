// The Docker engine that ships run on here: the one named, the machine's own, or one of ours.

import { ArmadaError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { startDockerd } from './dockerd.ts'
import { type EngineAddress, engineAnswers, parseDockerHost, systemSocket } from './engine.ts'

export interface DockerOptions {
  /** Home of our own engine, should one be needed. */
  dir: string
  /** The value of `DOCKER_HOST`. */
  dockerHost?: string | undefined
  /** Told when our own engine ended by itself and is started again. */
  onRevive?: (told: string) => void
  log: Log
}

export interface Docker {
  engine: EngineAddress
  /** The same as a value for `DOCKER_HOST`. */
  address: string
  /** Whether it was started here; then `stop` ends it with all its containers. */
  ours: boolean
  stop(): Promise<void>
}

export async function openDocker(options: DockerOptions): Promise<Docker> {
  const { dir, dockerHost, onRevive, log } = options
  if (dockerHost !== undefined && dockerHost !== '') return await named(dockerHost)
  const system = { socketPath: systemSocket }
  if (await engineAnswers(system, 3_000)) return running(system, `unix://${systemSocket}`)
  if (process.getuid?.() !== 0) {
    throw new ArmadaError(
      'unavailable',
      `no Docker engine answers at ${systemSocket}, and only root can start one. Start Docker (sudo systemctl start docker), run this as root, or set DOCKER_HOST.`,
    )
  }
  const dockerd = await startDockerd({ dir, iptables: true, revive: onRevive ?? true, log })
  return { engine: dockerd.engine, address: dockerd.address, ours: true, stop: () => dockerd.stop() }
}

async function named(dockerHost: string): Promise<Docker> {
  const engine = parseDockerHost(dockerHost)
  if (await engineAnswers(engine, 5_000)) return running(engine, dockerHost)
  throw new ArmadaError(
    'unavailable',
    `no Docker engine answers at DOCKER_HOST=${dockerHost}. Start it, correct the address, or unset DOCKER_HOST.`,
  )
}

function running(engine: EngineAddress, address: string): Docker {
  return { engine, address, ours: false, stop: async () => undefined }
}
