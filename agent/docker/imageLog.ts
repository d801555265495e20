// The images that Armada itself pulled here, and when ships last needed each: on disk, so that a restarted agent knows
// which are its own.
//
// INVARIANT: what is not in it was there before, or is somebody else's, and is never removed. So an entry is made only
// when a pull has ended, and goes with its image, or when its name stands for another image.
import { readFile, rename, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { wholeReference } from '../../shared/model/image.ts'

const Entry = z.object({ id: z.string(), usedAtMs: z.number() })
/** Which image a name stood for when it was pulled, and when it was last needed. */
export type ImageEntry = z.infer<typeof Entry>

export class ImageLog {
  readonly #file: string | null
  readonly #entries: Map<string, ImageEntry>
  #isSaved = true

  private constructor(file: string | null, entries: Map<string, ImageEntry>) {
    this.#file = file
    this.#entries = entries
  }

  /** @param file null: it lasts as long as this process. One that cannot be read knows no image. */
  static async open(file: string | null): Promise<ImageLog> {
    const text = file === null ? '{}' : await readFile(file, 'utf8').catch(() => '{}')
    return new ImageLog(file, new Map(Object.entries(entriesIn(text))))
  }

  get size(): number {
    return this.#entries.size
  }

  /** By whole references. */
  entries(): ReadonlyMap<string, ImageEntry> {
    return this.#entries
  }

  /** Whole references, the one first that was needed last. */
  newest(most: number): string[] {
    const all = [...this.#entries].sort(([, a], [, b]) => b.usedAtMs - a.usedAtMs)
    return all.slice(0, most).map(([name]) => name.slice(0, 256))
  }

  async pulled(image: string, id: string): Promise<void> {
    this.#entries.set(wholeReference(image), { id, usedAtMs: Date.now() })
    this.#isSaved = false
    await this.save()
  }

  used(image: string): void {
    const entry = this.#entries.get(wholeReference(image))
    if (!entry) return
    entry.usedAtMs = Date.now()
    this.#isSaved = false
  }

  forget(image: string): void {
    if (this.#entries.delete(wholeReference(image))) this.#isSaved = false
  }

  /** Times of use are saved now and then: one that is lost makes an image seem a little older. */
  async save(): Promise<void> {
    if (this.#isSaved || this.#file === null) return
    this.#isSaved = true
    await writeFile(`${this.#file}.new`, JSON.stringify(Object.fromEntries(this.#entries)), { mode: 0o600 })
    await rename(`${this.#file}.new`, this.#file)
  }
}

function entriesIn(text: string): Record<string, ImageEntry> {
  try {
    return z.record(z.string(), Entry).parse(JSON.parse(text))
  } catch {
    return {}
  }
}
