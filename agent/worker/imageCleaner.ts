// Keeps room on the disk: when it fills up, images that nobody needs go, the one first that was not used for longest.
//
// INVARIANTS
// - Only images that Armada pulled itself, under names that it pulled, go; none that a container has.
// - None goes that the ApiServer says is needed; while it cannot be asked, none goes at all.
// - One that somebody else removed is ours no more, also when it comes again.
// - None goes that a ship aboard was granted, that is being pulled, or that was used within the least age.
import { answerOf } from '../../shared/api/client.ts'
import { loop } from '../../shared/loop.ts'
import { repositoryOf, wholeReference } from '../../shared/model/image.ts'
import type { ImageEntry } from '../docker/imageLog.ts'
import { diskUsedPercent, imagesInUse, type LocalImage, localImages } from '../docker/localImages.ts'
import type { Crew } from './crew.ts'

const longestMs = 60_000
const mostAsked = 1_000

export interface CleaningOptions {
  /** Per cent of the disk used past which images go; 100: never. */
  highPercent: number
  /** Down to which they go. */
  lowPercent: number
  minAgeMs: number
}

export interface Candidate {
  /** Names of one image that Armada pulled; it goes when all of them do. */
  names: string[]
  /** All that stands for it, which a blueprint may say. */
  references: string[]
  usedAtMs: number
}

export async function cleanImages(crew: Crew, options: CleaningOptions): Promise<void> {
  const { signal, log, images, gate, engine, roster } = crew
  const { highPercent, minAgeMs } = options
  const everyMs = Math.min(longestMs, Math.max(500, minAgeMs))
  roster.onChange((now, before) => {
    if (!now && before) images.log.used(before.grant.spec.image)
  })
  await loop({ name: 'images', everyMs, signal, log }, async () => {
    await images.log.save()
    if (images.log.size === 0) return
    await gate.passed(signal)
    await engine.answers(signal)
    if (signal.aborted) return
    await forgetGone(crew)
    if (highPercent >= 100) return
    const usedPercent = await diskUsedPercent(engine)
    if (usedPercent >= highPercent) await makeRoom(crew, options, usedPercent)
  })
}

async function forgetGone({ engine, images }: Crew): Promise<void> {
  const known = [...images.log.entries()]
  const local = await localImages(engine)
  const isHere = (name: string, id: string) =>
    local.some((one) => one.id === id && (one.tags.includes(name) || one.digests.includes(name)))
  for (const [name, entry] of known) {
    // Pulled anew meanwhile, it has another entry.
    if (!isHere(name, entry.id) && images.log.entries().get(name) === entry) images.log.forget(name)
  }
}

async function makeRoom(crew: Crew, options: CleaningOptions, usedPercent: number): Promise<void> {
  const { engine, images, api, log } = crew
  const lowPercent = Math.min(options.lowPercent, options.highPercent)
  const [local, inUse] = await Promise.all([localImages(engine), imagesInUse(engine)])
  const oldestMs = Date.now() - options.minAgeMs
  const all = candidates(local, inUse, images.log.entries()).filter(({ usedAtMs }) => usedAtMs <= oldestMs)
  const asked: string[] = []
  const some = all.filter(({ references }) => {
    const fits = asked.length + references.length <= mostAsked
    if (fits) asked.push(...references)
    return fits
  })
  if (asked.length === 0) return
  const { needed } = await answerOf(api.v1.monitor.images.$post({ json: { images: asked } }))
  const kept = new Set(needed)
  const free = some.filter(({ references }) => !references.some((one) => kept.has(one)))
  let percent = usedPercent
  for (const candidate of free) {
    if (percent < lowPercent) return
    if (isWanted(crew, candidate) || !(await images.remove(candidate.names, options.minAgeMs))) continue
    const before = percent
    percent = await diskUsedPercent(engine)
    const figures = { usedPercent: rounded(percent), freedPercent: rounded(before - percent) }
    log.info({ images: candidate.names, ...figures }, 'an image that nobody needs was removed')
  }
  if (percent >= options.highPercent)
    log.warn({ usedPercent: rounded(percent) }, 'the disk is full, and no more images may be removed')
}

/** A ship that is being started may not have its container yet. */
function isWanted({ roster }: Crew, { references }: Candidate): boolean {
  return roster.list().some(({ grant }) => references.includes(wholeReference(grant.spec.image)))
}

/** What Armada may remove, the one first that was used least lately. Pure. */
export function candidates(
  local: readonly LocalImage[],
  inUse: ReadonlySet<string>,
  log: ReadonlyMap<string, ImageEntry>,
): Candidate[] {
  const found = local.flatMap(({ id, tags, digests }): Candidate[] => {
    const isOurs = (name: string) => log.get(name)?.id === id
    const names = [...tags, ...digests].filter(isOurs)
    const repositories = new Set(names.map(repositoryOf))
    // Docker gives what is pulled by a tag a digest as well; one of another repository came from somebody else.
    const strange =
      tags.some((tag) => !isOurs(tag)) || digests.some((one) => !repositories.has(repositoryOf(one)))
    if (names.length === 0 || strange || inUse.has(id)) return []
    const usedAtMs = Math.max(...names.map((name) => log.get(name)?.usedAtMs ?? 0))
    return [{ names, references: [...tags, ...digests], usedAtMs }]
  })
  return found.sort((a, b) => a.usedAtMs - b.usedAtMs)
}

function rounded(percent: number): number {
  return Math.round(percent * 100) / 100
}
