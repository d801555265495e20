// What waits to be sent of one session: at most one chunk's worth, and the number of lines left out after it.
import { type Chunk, chunkBytes, type LogLine } from '../../shared/model/session.ts'

const mostLines = 2_000
/** JSON around a line. */
const frameBytes = 70

export type Contents = Pick<Chunk, 'lines' | 'skipped' | 'more'>

export class Parcel {
  #lines: LogLine[] = []
  #bytes = 0
  #before = { skipped: 0, more: false }
  #after = { skipped: 0, more: false }

  get isEmpty(): boolean {
    return this.#lines.length === 0 && this.#before.skipped === 0 && !this.#before.more
  }

  /** A line of so many bytes can go along, with nothing left out before it. */
  fits(bytes: number, lines = 0, taken = 0): boolean {
    if (this.#after.skipped > 0 || this.#after.more) return false
    if (this.#lines.length === 0 && lines === 0) return true
    return this.#bytes + taken + bytes + frameBytes <= chunkBytes && this.#lines.length + lines < mostLines
  }

  /** @returns false when it does not fit. */
  add(line: LogLine): boolean {
    const bytes = line.text.length
    if (!this.fits(bytes)) return false
    this.#lines.push(line)
    this.#bytes += bytes + frameBytes
    return true
  }

  leaveOut(lines: number, more = false): void {
    if (lines === 0 && !more) return
    const where = this.#lines.length === 0 ? this.#before : this.#after
    where.skipped += lines
    where.more ||= more
  }

  take(): Contents {
    const contents = { lines: this.#lines, ...this.#before }
    this.#lines = []
    this.#bytes = 0
    this.#before = this.#after
    this.#after = { skipped: 0, more: false }
    return contents
  }
}
