// What `npm start` shows: steps as they are done, a table at the end.

export class Screen {
  readonly #startedAt = performance.now()
  readonly #interactive = process.stdout.isTTY === true
  #shown = ''

  /** A finished step. */
  done(text: string): void {
    if (this.#interactive && this.#shown) process.stdout.write('\r\u001b[K')
    this.#shown = ''
    process.stdout.write(`${this.#seconds()}  ${text}\n`)
  }

  /** What is being waited for: one line that changes in place, or a line for each change where there is no terminal. */
  waiting = (text: string): void => {
    if (text === this.#shown) return
    this.#shown = text
    process.stdout.write(
      `${this.#interactive ? '\r\u001b[K' : ''}${this.#seconds()}  … ${text}${this.#interactive ? '' : '\n'}`,
    )
  }

  #seconds(): string {
    return `${((performance.now() - this.#startedAt) / 1_000).toFixed(1)} s`.padStart(7)
  }
}

/** Columns as wide as their widest cell. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('   ')
      .trimEnd()
  return [line(header), ...rows.map(line)].map((text) => `  ${text}`).join('\n')
}
