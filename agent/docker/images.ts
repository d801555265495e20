// Images of ships: there already, or pulled once for all who wait.
import type { Readable } from 'node:stream'
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { within } from '../../shared/loop.ts'
import { type PullState, wholeReference } from '../../shared/model/image.ts'
import type { Engine } from './engine.ts'
import { EngineError, hasStatus, isAway } from './engineError.ts'
import type { ImageLog } from './imageLog.ts'
import { jsonLines } from './lines.ts'
import { removeImage } from './localImages.ts'
import { type PullEvent, PullProgress } from './pullProgress.ts'
import { authFor } from './registries.ts'

const toldEveryMs = 5_000

export interface ImageOptions {
  /** Of what is pulled here. */
  images: ImageLog
  /** Credentials of registries, as Docker's config.json has them. */
  authFile?: string | undefined
  limitMs?: number
}

interface Search {
  found: Promise<void>
  /** Ends it, when nobody waits any more. */
  over: AbortController
  waiting: number
}

export class Images {
  readonly log: ImageLog
  readonly #engine: Engine
  readonly #logger: Log
  readonly #authFile: string | undefined
  readonly #limitMs: number
  /** One a wanted image, for all who wait for it. */
  readonly #searches = new Map<string, Search>()
  readonly #pulls = new Map<string, PullProgress>()
  #removal: Promise<unknown> = Promise.resolve()

  constructor(engine: Engine, log: Log, { images, authFile, limitMs = 300_000 }: ImageOptions) {
    this.log = images
    this.#engine = engine
    this.#logger = log
    this.#authFile = authFile
    this.#limitMs = limitMs
  }

  /**
   * @param limitMs how long to wait. The pull goes on while others wait longer.
   * @throws Error that says what to do about the image; EngineError when the engine is away.
   */
  async ensure(image: string, limitMs = this.#limitMs): Promise<void> {
    this.log.used(image)
    const search = this.#searches.get(image) ?? this.#begin(image)
    search.waiting++
    const late = notHere(image, `not pulled within ${Math.round(limitMs / 1_000)} s`)
    try {
      await within(search.found, limitMs, () => late)
    } catch (error) {
      if (error === late && !(await this.#engine.ping())) throw EngineError.from(error, 'pulling an image')
      throw error
    } finally {
      if (--search.waiting === 0) this.#end(image, search)
    }
  }

  /**
   * Removes an image that goes by these names, unless it was wanted within that time, or has a container.
   * @returns whether it is gone.
   */
  async remove(names: readonly string[], unusedMs: number): Promise<boolean> {
    const searched = [...this.#searches.keys()].map(wholeReference)
    const sinceMs = Date.now() - unusedMs
    const isBusy = (name: string) =>
      searched.includes(name) || (this.log.entries().get(name)?.usedAtMs ?? 0) > sinceMs
    if (names.some(isBusy)) return false
    const removal = (async () => {
      for (const name of names) {
        if (!(await removeImage(this.#engine, name))) return false
        this.log.forget(name)
      }
      await this.log.save()
      return true
    })()
    // Whoever wants it meanwhile finds it gone, and pulls it.
    this.#removal = removal.catch(() => undefined)
    return removal
  }

  /** How far the pull of an image is, in steps of some seconds; null when there is none, or it has only begun. */
  pulling(image: string): PullState | null {
    return this.#pulls.get(image)?.told ?? null
  }

  /** All that are under way. */
  pulls(): PullState[] {
    return [...this.#pulls.values()].map(({ state }) => state)
  }

  #begin(image: string): Search {
    const over = new AbortController()
    const search: Search = { found: this.#search(image, over), over, waiting: 0 }
    // Whoever is still waiting hears of it.
    search.found.catch(() => undefined).then(() => this.#end(image, search))
    this.#searches.set(image, search)
    return search
  }

  /** Whoever comes now begins another one. */
  #end(image: string, search: Search): void {
    search.over.abort()
    if (this.#searches.get(image) === search) this.#searches.delete(image)
  }

  async #search(image: string, over: AbortController): Promise<void> {
    await this.#removal
    if (await this.#idOf(image)) return
    await this.#pull(image, over)
    const id = await this.#idOf(image)
    if (id) await this.log.pulled(image, id)
  }

  /** Undefined when it is not here. */
  async #idOf(image: string): Promise<string | undefined> {
    try {
      const asked = () => this.#engine.docker.getImage(image).inspect()
      return (await this.#engine.ask('inspect image', 10_000, asked)).Id
    } catch (error) {
      if (hasStatus(error, 404)) return undefined
      throw error
    }
  }

  /** Logs now and then how far the pull is. */
  #teller(progress: PullProgress): (event: PullEvent) => void {
    let toldAtMs = performance.now()
    return (event) => {
      progress.note(event)
      const nowMs = performance.now()
      if (nowMs - toldAtMs < toldEveryMs) return
      toldAtMs = nowMs
      this.#logger.info({ ...progress.state }, 'image is being pulled')
    }
  }

  async #pull(image: string, over: AbortController): Promise<void> {
    const { docker } = this.#engine
    const beginMs = performance.now()
    const progress = new PullProgress(image)
    this.#pulls.set(image, progress)
    try {
      const reference = /[:@][^/]*$/.test(image) ? image : `${image}:latest`
      const authconfig = await authFor(image, this.#authFile)
      const options = { abortSignal: over.signal, ...(authconfig && { authconfig }) }
      await untilPulled((await docker.pull(reference, options)) as Readable, this.#teller(progress))
      this.#logger.info({ image, tookMs: Math.round(performance.now() - beginMs) }, 'image pulled')
    } catch (error) {
      if (isAway(error) || !(await this.#engine.ping())) throw EngineError.from(error, 'pulling an image')
      const said = EngineError.from(error, 'pulling an image')
      const why = said.status === null ? messageOf(error) : said.message
      throw notHere(image, why.trim(), error)
    } finally {
      if (this.#pulls.get(image) === progress) this.#pulls.delete(image)
    }
  }
}

/** @throws Error in the engine's words, when it cannot; EngineError, when it does not say how it ended. */
async function untilPulled(stream: Readable, tell: (event: PullEvent) => void): Promise<void> {
  let refusal: string | undefined
  try {
    for await (const event of jsonLines(stream) as AsyncGenerator<PullEvent>) {
      refusal = event.error ?? refusal
      tell(event)
    }
  } catch (error) {
    throw new EngineError(null, 'the pull broke off', error)
  }
  if (refusal !== undefined) throw new Error(refusal)
}

function notHere(image: string, why: string, cause?: unknown): Error {
  return new Error(
    `image ${image} is not on this host and cannot be pulled: ${why}; check the name, that the registry can be reached, and its credentials`,
    { cause },
  )
}
