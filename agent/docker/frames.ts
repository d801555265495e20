// Lines out of a container's log as Docker sends it: frames of stdout and stderr with 8-byte heads.

/** Feeds on chunks of any size and gives back the lines that became whole. One for each stream read. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)
  /** Unfinished line by stream: 1 is stdout, 2 is stderr. */
  readonly #partial = new Map<number, string>()

  push(chunk: Buffer): string[] {
    let data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    const lines: string[] = []
    while (data.length >= 8) {
      const length = data.readUInt32BE(4)
      if (data.length < 8 + length) break
      const stream = data[0] ?? 1
      const text = (this.#partial.get(stream) ?? '') + data.toString('utf8', 8, 8 + length)
      const parts = text.split('\n')
      // A game that never ends its line must not fill the agent's memory.
      this.#partial.set(stream, (parts.pop() ?? '').slice(-16_384))
      lines.push(...parts)
      data = data.subarray(8 + length)
    }
    this.#rest = data
    return lines
  }

  /** What came last without a line's end. */
  end(): string[] {
    return [...this.#partial.values()].filter((text) => text !== '')
  }
}
