// Sending one session's chunks: one request at a time, no faster than the reader takes them.
//
// INVARIANTS
// - At most `windowChunks` chunks are under way that the reader has not taken; then only empty ones go.
// - A chunk is repeated, with its number, until it is answered, or nobody could be reached for a while.
// - `gone` fires when nobody listens any more, and at the end.
import { answerOf, type Client } from '../../shared/api/client.ts'
import { ArmadaError } from '../../shared/errors.ts'
import { Bell, sleep } from '../../shared/loop.ts'
import {
  type Chunk,
  isEmpty,
  keepAliveMs,
  type SessionEnd,
  windowChunks,
} from '../../shared/model/session.ts'
import { Parcel } from './parcel.ts'

/** Between two chunks: lines that come together go together. */
const gatherMs = 50
const askMs = 250
const unansweredMs = 15_000

export class Sender {
  readonly parcel = new Parcel()
  readonly #api: Client
  readonly #session: string
  readonly #over = new AbortController()
  readonly #bell = new Bell()
  readonly #room = new Bell()
  #ended: SessionEnd | null = null
  #sent = 0
  #taken = 0
  #knownAtMs = performance.now()

  constructor(api: Client, session: string) {
    this.#api = api
    this.#session = session
  }

  get gone(): AbortSignal {
    return this.#over.signal
  }

  /** Something was put into the parcel. */
  ring = (): void => this.#bell.ring()

  /** Resolves when the parcel was emptied, or it is over. */
  async emptied(): Promise<void> {
    while (!this.parcel.isEmpty && !this.gone.aborted) await this.#room.wait(askMs, this.gone)
  }

  /** What is in the parcel still goes. */
  end(why: SessionEnd['why'], detail = ''): void {
    this.#ended ??= { why, detail: detail.slice(0, 1_000) }
    this.#bell.ring()
  }

  abort(): void {
    this.#over.abort()
  }

  /** Asks whether somebody listens. @returns the line of a console session. */
  async open(): Promise<string | null> {
    return this.#post(this.#chunk({ lines: [], skipped: 0, more: false }))
  }

  /** Resolves when it is over. */
  async run(): Promise<void> {
    while (!this.gone.aborted) {
      const isFree = this.#sent - this.#taken < windowChunks
      const hasWork = !this.parcel.isEmpty || this.#ended !== null
      if (!hasWork) await this.#bell.wait(keepAliveMs, this.gone)
      else if (!isFree) await sleep(askMs, this.gone)
      if (this.gone.aborted) return
      const chunk = this.#chunk(isFree ? this.parcel.take() : { lines: [], skipped: 0, more: false })
      if (isFree) {
        this.#room.ring()
        if (this.parcel.isEmpty) chunk.ended = this.#ended
      }
      await this.#post(chunk)
      if (chunk.ended) this.abort()
      await sleep(gatherMs, this.gone)
    }
  }

  #chunk(contents: Pick<Chunk, 'lines' | 'skipped' | 'more'>): Chunk {
    return { seq: this.#sent, ...contents, ended: null }
  }

  async #post(chunk: Chunk): Promise<string | null> {
    const request = { param: { session: this.#session }, json: chunk }
    for (const endMs = performance.now() + unansweredMs; !this.gone.aborted; ) {
      try {
        const { taken, line } = await answerOf(this.#api.v1.monitor.sessions[':session'].$post(request))
        if (!isEmpty(chunk)) this.#sent++
        this.#note(taken)
        return line
      } catch (error) {
        const isAway = error instanceof ArmadaError && error.retryable
        if (!isAway || performance.now() > endMs) this.abort()
        await sleep(500, this.gone)
      }
    }
    return null
  }

  /** A Redis that was emptied knows nothing until the reader says it again; a dead reader never does. */
  #note(taken: number | null): void {
    const nowMs = performance.now()
    if (taken !== null) {
      this.#taken = taken
      this.#knownAtMs = nowMs
    } else if (nowMs - this.#knownAtMs > unansweredMs) {
      this.abort()
    }
  }
}
