// Images of ships: there already, or pulled once for all who wait.
import type { Readable } from 'node:stream'
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { within } from '../../shared/loop.ts'
import type { PullState } from '../../shared/model/image.ts'
import type { Engine } from './engine.ts'
import { EngineError, hasStatus, isAway } from './engineError.ts'
import { type PullEvent, PullProgress } from './pullProgress.ts'
import { authFor } from './registries.ts'

const toldEveryMs = 5_000

export interface ImageOptions {
  /** Credentials of registries, as Docker's config.json has them. */
  authFile?: string | undefined
  limitMs?: number
}

export class Images {
  readonly #engine: Engine
  readonly #log: Log
  readonly #authFile: string | undefined
  readonly #limitMs: number
  /** One a wanted image, for all who wait for it. */
  readonly #searches = new Map<string, Promise<void>>()
  readonly #pulls = new Map<string, PullProgress>()

  constructor(engine: Engine, log: Log, { authFile, limitMs = 300_000 }: ImageOptions = {}) {
    this.#engine = engine
    this.#log = log
    this.#authFile = authFile
    this.#limitMs = limitMs
  }

  /**
   * @param limitMs time for a pull, unless there is one already.
   * @throws Error that says what to do about the image; EngineError when the engine is away.
   */
  async ensure(image: string, limitMs = this.#limitMs): Promise<void> {
    let search = this.#searches.get(image)
    if (!search) {
      search = this.#search(image, limitMs).finally(() => this.#searches.delete(image))
      this.#searches.set(image, search)
    }
    await search
  }

  /** How far the pull of an image is, in steps of some seconds; null when there is none, or it has only begun. */
  pulling(image: string): PullState | null {
    return this.#pulls.get(image)?.told ?? null
  }

  /** All that are under way. */
  pulls(): PullState[] {
    return [...this.#pulls.values()].map(({ state }) => state)
  }

  async #search(image: string, limitMs: number): Promise<void> {
    if (!(await this.#isHere(image))) await this.#pull(image, limitMs)
  }

  async #isHere(image: string): Promise<boolean> {
    try {
      await this.#engine.ask('inspect image', 10_000, () => this.#engine.docker.getImage(image).inspect())
      return true
    } catch (error) {
      if (hasStatus(error, 404)) return false
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
      this.#log.info({ ...progress.state }, 'image is being pulled')
    }
  }

  async #pull(image: string, limitMs: number): Promise<void> {
    const { docker } = this.#engine
    const over = new AbortController()
    const beginMs = performance.now()
    const progress = new PullProgress(image)
    this.#pulls.set(image, progress)
    try {
      const reference = /[:@][^/]*$/.test(image) ? image : `${image}:latest`
      const pulled = (async () => {
        const authconfig = await authFor(image, this.#authFile)
        const options = { abortSignal: over.signal, ...(authconfig && { authconfig }) }
        const stream = await docker.pull(reference, options)
        const tell = this.#teller(progress)
        await new Promise<void>((resolve, reject) => {
          docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()), tell)
          ;(stream as Readable).once('close', () => reject(new EngineError(null, 'the pull broke off')))
        })
      })()
      await within(pulled, limitMs, () => new Error(`not pulled within ${Math.round(limitMs / 1_000)} s`))
      this.#log.info({ image, tookMs: Math.round(performance.now() - beginMs) }, 'image pulled')
    } catch (error) {
      over.abort()
      if (isAway(error) || !(await this.#engine.ping())) throw EngineError.from(error, 'pulling an image')
      const said = EngineError.from(error, 'pulling an image')
      const why = said.status === null ? messageOf(error) : said.message
      throw new Error(
        `image ${image} is not on this host and cannot be pulled: ${why.trim()}; check the name, that the registry can be reached, and its credentials`,
        { cause: error },
      )
    } finally {
      this.#pulls.delete(image)
    }
  }
}
