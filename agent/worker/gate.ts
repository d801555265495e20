// A gate that work waits at. The Worker may not begin anything new while its gate is closed: before its first
// hello is obeyed, and after every doubt.
export class Gate {
  #open = false
  #wasOpen = false
  #waiting: (() => void)[] = []

  /** It has been open since the start of this process. */
  get wasOpen(): boolean {
    return this.#wasOpen
  }

  open(): void {
    this.#open = true
    this.#wasOpen = true
    for (const go of this.#waiting.splice(0)) go()
  }

  close(): void {
    this.#open = false
  }

  /** Resolves when open, or when the signal fires. */
  async passed(signal: AbortSignal): Promise<void> {
    while (!this.#open && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }
}
