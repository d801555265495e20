// Volumes of ships: those that go with their containers, and those that are kept for the next attempt on this host.
import { chown } from 'node:fs/promises'
import type Dockerode from 'dockerode'
import type { Volume } from '../../shared/model/container.ts'
import type { Grant } from '../../shared/model/grant.ts'
import type { Engine } from './engine.ts'
import { isGone } from './engineError.ts'
import { label } from './label.ts'

/** Host, keeper and volume, none of which may have a dot in its name. */
export const volumeName = /^armada(\.[a-z0-9-]{1,63}){3}$/

/** A kept volume, as the list shows it. */
export interface KeptVolume {
  name: string
  /** Id of a ship: see keeperOf. */
  keeper: string
}

/** Whose kept volumes are: those of a numbered ship outlive it, for the next of its name. */
export function keeperOf({ ship, keeper = ship }: Pick<Grant, 'ship' | 'keeper'>): string {
  return keeper
}

export function mountOf({ name, path, keep }: Volume, keeper: string, host: string): Dockerode.MountSettings {
  const mount = { Type: 'volume', Target: path }
  // Without a name Docker removes it with its container.
  if (!keep) return mount as Dockerode.MountSettings
  const Labels = { [label.host]: host, [label.ship]: keeper, [label.volume]: name }
  const kept = { ...mount, Source: `armada.${host}.${keeper}.${name}`, VolumeOptions: { Labels } }
  return kept as unknown as Dockerode.MountSettings
}

/** All volumes that are kept for ships of the host. */
export async function keptVolumes(engine: Engine, host: string): Promise<KeptVolume[]> {
  const filters = { label: [`${label.host}=${host}`] }
  const { Volumes } = await engine.ask('list volumes', 10_000, (abortSignal) =>
    engine.docker.listVolumes({ filters, abortSignal }),
  )
  return Volumes.flatMap(({ Name, Labels }) => {
    const keeper = Labels?.[label.ship]
    return keeper ? [{ name: Name, keeper }] : []
  })
}

/** @returns false while a container has it. */
export async function removeVolume(engine: Engine, name: string): Promise<boolean> {
  const remove = (abortSignal: AbortSignal) => engine.docker.getVolume(name).remove({ abortSignal })
  return isGone(engine.ask('remove a volume', 60_000, remove))
}

/** Gives the volumes of a container to the user that runs in it: Docker makes them root's. */
export async function giveVolumes(engine: Engine, containerId: string, user: string): Promise<void> {
  const [uid = 0, gid = 0] = user.split(':').map(Number)
  const { Mounts } = await engine.ask('inspect', 10_000, (abortSignal) =>
    engine.docker.getContainer(containerId).inspect({ abortSignal }),
  )
  for (const { Type, Source } of Mounts) if (Type === 'volume') await chown(Source, uid, gid)
}
