// What a ship prints, line by line with Docker's own time stamps, read no faster than somebody takes it.
import type { Readable } from 'node:stream'
import { type LogLine, mostLineCharacters } from '../../shared/model/session.ts'
import type { Engine } from './engine.ts'
import { EngineError } from './engineError.ts'

export interface OutputOptions {
  /** Only so many of the last lines; null: all. */
  tail: number | null
  /** Only lines of this stamp and later. */
  since: string | null
  follow: boolean
}

/** Opens the output of a container: feed what comes to an OutputReader. Ends with the signal. @throws EngineError */
export async function openOutput(
  engine: Engine,
  id: string,
  { tail, since, follow }: OutputOptions,
  signal: AbortSignal,
): Promise<Readable> {
  const options = {
    ...{ stdout: true, stderr: true, timestamps: true, follow },
    tail: tail ?? 'all',
    ...(since !== null && { since: `${Math.floor(Date.parse(since) / 1_000)}.${since.slice(20, 29)}` }),
  }
  // Docker's library would read a log that is not followed into memory, all 30 MB of it.
  return engine.open('logs', signal, (abortSignal) => {
    const { modem } = engine.docker
    const request = {
      path: `/containers/${id}/logs?`,
      options,
      method: 'GET',
      isStream: true,
      abortSignal,
      statusCodes: { 200: true, 404: 'no such container', 500: 'server error' },
    }
    return new Promise((resolve, reject) =>
      modem.dial(request, (error, stream) =>
        error ? reject(EngineError.from(error, 'logs')) : resolve(stream as Readable),
      ),
    )
  })
}

const stampLength = 30
const newLine = 10

/** Makes lines of what Docker sends: frames with a head of 8 bytes, each a line or a part of one, with its stamp. */
export class OutputReader {
  #rest: Buffer = Buffer.alloc(0)
  /** Lines whose end has not come yet, by stream: 1 is stdout, 2 is stderr. */
  readonly #open = new Map<number, { at: string; text: string | null }>()
  /** Stamp of the last line that was seen, kept or not. */
  last: string | null = null

  /**
   * Calls `wants` for every line that begins, with its stamp and about how many bytes it takes; those that are not
   * wanted cost next to nothing, because nothing is made of them.
   * @returns the lines that became whole, and how many were left out.
   */
  push(
    data: Buffer,
    wants: (at: string, bytes: number) => boolean | null,
  ): { lines: LogLine[]; left: number } {
    const lines: LogLine[] = []
    let left = 0
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, data]) : data
    let at = 0
    while (all.length - at >= 8) {
      const end = at + 8 + all.readUInt32BE(at + 4)
      if (all.length < end) break
      const stream = all[at] ?? 1
      const begin = at + 8
      at = end
      if (end - begin <= stampLength) continue
      const isWhole = all[end - 1] === newLine
      const textBegin = begin + stampLength + 1
      const textEnd = isWhole ? end - 1 : end
      let line = this.#open.get(stream)
      if (!line) {
        const stamp = all.toString('latin1', begin, begin + stampLength)
        this.last = stamp
        const wanted = wants(stamp, end - begin)
        if (wanted === false) left++
        line = { at: stamp, text: wanted ? '' : null }
        if (!isWhole) this.#open.set(stream, line)
      }
      if (line.text !== null && line.text.length <= mostLineCharacters)
        line.text += all.toString('utf8', textBegin, textEnd)
      if (!isWhole) continue
      this.#open.delete(stream)
      if (line.text !== null)
        lines.push({ at: line.at, stream: stream === 2 ? 'stderr' : 'stdout', text: cut(line.text) })
    }
    this.#rest = at === all.length ? Buffer.alloc(0) : Buffer.from(all.subarray(at))
    return { lines, left }
  }
}

function cut(text: string): string {
  const line = text.endsWith('\r') ? text.slice(0, -1) : text
  return line.length > mostLineCharacters ? `${line.slice(0, mostLineCharacters)}…` : line
}
