// Building a gameserver image from the packages of Debian or Ubuntu: no image registry, no root, 3 to 10 s.
import { createReadStream, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ArmadaError } from '../../shared/errors.ts'
import { run } from '../stack/command.ts'
import { askEngine, type EngineAddress, tellEngine } from '../stack/engine.ts'
import { type Game, imageOf, openArena } from './games.ts'
import { fetchPackages, unpackPackages } from './packages.ts'
import { stageGame } from './stage.ts'

export interface ImageOptions {
  docker: EngineAddress
  game?: Game
  /** Keeps the finished image as a tar archive, so that another engine gets it at once and offline. */
  cacheDir: string
  progress?: (line: string) => void
}

/** Makes sure that the engine has the game's image. `built` is false when it had it already. */
export async function buildQuickstartImage(
  options: ImageOptions,
): Promise<{ image: string; built: boolean }> {
  const { docker, game = openArena, cacheDir, progress = () => undefined } = options
  const image = imageOf(game)
  const known = await askEngine(docker, { path: `/images/${encodeURIComponent(image)}/json` })
  if (known.status === 200) return { image, built: false }
  const archive = join(cacheDir, `${game.name}-${game.recipe}-${process.arch}.tar`)
  if (!existsSync(archive)) await makeArchive(game, archive, cacheDir, progress)
  progress(`importing ${image}`)
  await importImage(docker, game, archive)
  return { image, built: true }
}

async function makeArchive(
  game: Game,
  archive: string,
  cacheDir: string,
  progress: (line: string) => void,
): Promise<void> {
  mkdirSync(cacheDir, { recursive: true })
  const work = mkdtempSync(join(cacheDir, `${game.name}-`))
  try {
    const packages = ['busybox-static', ...game.packages]
    progress(`fetching ${[...packages, ...game.lonePackages].join(', ')}`)
    const debs = await fetchPackages({ packages, lonePackages: game.lonePackages }, work)
    progress(`building ${imageOf(game)}`)
    const root = await stageGame(game, await unpackPackages(debs, work), work)
    const finished = join(work, 'image.tar')
    const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']
    const packed = await run('tar', [...same, '-C', root, '-cf', finished, '.'], 60_000)
    if (!packed.ok) throw new ArmadaError('internal', `the image cannot be packed: ${packed.stderr}`)
    renameSync(finished, archive)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

async function importImage(docker: EngineAddress, game: Game, archive: string): Promise<void> {
  const [repository = '', tag = ''] = imageOf(game).split(':')
  const changes = [
    `ENTRYPOINT ["/bin/sh","/bin/start"]`,
    'USER 1000:1000',
    // Docker gives every container a small /dev/shm of its own, which can be written to even when all else cannot.
    'ENV HOME=/dev/shm',
    'WORKDIR /dev/shm',
    `EXPOSE ${game.port}`,
    `LABEL armada.quickstart=${game.name}`,
  ]
  const query = new URLSearchParams({ fromSrc: '-', repo: repository, tag })
  for (const change of changes) query.append('changes', change)
  const path = `/images/create?${query}`
  const reply = await tellEngine(docker, {
    method: 'POST',
    path,
    body: createReadStream(archive),
    limitMs: 120_000,
  })
  // The engine answers 200 before it begins, so a failure is only in its words.
  const failure = /"error":"([^"]*)"/.exec(reply)?.[1]
  if (failure !== undefined)
    throw new ArmadaError('unavailable', `Docker cannot import the image: ${failure}`)
}
