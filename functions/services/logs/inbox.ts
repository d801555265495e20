// The chunks of one session that have come and that its reader has not taken yet.
//
// INVARIANTS
// - Only what carries something is kept, in its order, and no more than may be under way: a reader who pauses for an
//   hour costs that much memory.
// - Every sign of the agent is answered with what was taken, also while the reader pauses.
import { Bell } from '../../../shared/loop.ts'
import { type Chunk, isEmpty, windowChunks } from '../../../shared/model/session.ts'

export class Inbox {
  readonly #chunks: Chunk[] = []
  readonly #bell = new Bell()
  readonly #answer: (taken: number) => void
  #taken = 0
  /** When the agent was last heard of. */
  heardAtMs: number | undefined
  /** A chunk was lost on the way. */
  isTorn = false

  constructor(answer: (taken: number) => void) {
    this.#answer = answer
  }

  /** @param text a chunk, as an ApiServer has validated and published it. */
  put = (text: string): void => {
    const chunk: Chunk = JSON.parse(text)
    this.heardAtMs = performance.now()
    const next = this.#taken + this.#chunks.length
    if (isEmpty(chunk) || chunk.seq < next) this.#answer(this.#taken)
    else if (chunk.seq > next || this.#chunks.length >= 2 * windowChunks) this.isTorn = true
    else this.#chunks.push(chunk)
    this.#bell.ring()
  }

  /** The next chunk; undefined when the limit or the signal came first, or only a sign of life. */
  async next(limitMs: number, signal: AbortSignal): Promise<Chunk | undefined> {
    if (this.#chunks.length === 0) await this.#bell.wait(limitMs, signal)
    return this.#chunks[0]
  }

  /** The reader has the chunk that `next` gave. */
  take(): void {
    if (this.#chunks.shift()) this.#answer(++this.#taken)
  }
}
