// The images on this host as Docker lists them, and the space where it keeps them.
import { statfs } from 'node:fs/promises'
import { wholeReference } from '../../shared/model/image.ts'
import type { Engine } from './engine.ts'
import { isGone } from './engineError.ts'

export interface LocalImage {
  id: string
  /** Whole references, with tags and with digests. */
  tags: string[]
  digests: string[]
}

export async function localImages(engine: Engine): Promise<LocalImage[]> {
  const images = await engine.ask('list images', 30_000, (abortSignal) =>
    engine.docker.listImages({ abortSignal }),
  )
  const named = (names: string[] | null | undefined) =>
    (names ?? []).filter((name) => !name.startsWith('<none>')).map(wholeReference)
  return images.map(({ Id, RepoTags, RepoDigests }) => ({
    id: Id,
    tags: named(RepoTags),
    digests: named(RepoDigests),
  }))
}

/** Ids of the images that containers have, whoever made them, also those that do not run. */
export async function imagesInUse(engine: Engine): Promise<Set<string>> {
  const all = await engine.ask('list', 10_000, (abortSignal) =>
    engine.docker.listContainers({ all: true, abortSignal }),
  )
  return new Set(all.map(({ ImageID }) => ImageID))
}

/** Never by force. @returns false when a container has it after all. */
export async function removeImage(engine: Engine, image: string): Promise<boolean> {
  const remove = (abortSignal: AbortSignal) => engine.docker.getImage(image).remove({ abortSignal })
  return isGone(engine.ask('remove an image', 120_000, remove))
}

/** How much of the file system with Docker's data is used, as `df` counts it. */
export async function diskUsedPercent(engine: Engine): Promise<number> {
  const { DockerRootDir } = await engine.info()
  const { blocks, bfree, bavail } = await statfs(DockerRootDir)
  const used = blocks - bfree
  return used + bavail === 0 ? 0 : (used / (used + bavail)) * 100
}
