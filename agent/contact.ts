// When the cluster last heard of this host, and when this process itself stood still.
//
// INVARIANTS
// - A freeze (SIGSTOP, a paused machine) is noticed by whoever asks `turn`, before the clock's own beat: what
//   was learned before it must not be acted upon after it.
// - `heardAtMs` is never later than the cluster's own notion of it.

/** Longer than any busy moment of a healthy agent, shorter than any session. */
const freezeMs = 3_000

export class Contact {
  #turn = 0
  #beatAtMs = performance.now()
  #heardAtMs = performance.now()
  #connected = false
  readonly #onDoubt: (() => void)[] = []

  onDoubt(listener: () => void): void {
    this.#onDoubt.push(listener)
  }

  /** Raised by every doubt. */
  get turn(): number {
    const nowMs = performance.now()
    const frozen = nowMs - this.#beatAtMs > freezeMs
    this.#beatAtMs = nowMs
    if (frozen) this.doubt()
    return this.#turn
  }

  /** What was learned before is not to be acted upon: there was a freeze, or the cluster lost sight of this host. */
  doubt(): void {
    this.#turn++
    for (const listener of this.#onDoubt) listener()
  }

  /** By the monotonic clock. */
  get heardAtMs(): number {
    return this.#connected ? performance.now() : this.#heardAtMs
  }

  get connected(): boolean {
    return this.#connected
  }

  /** The ApiServer acknowledged something that was sent at that time. */
  heard(sentAtMs: number): void {
    this.#heardAtMs = Math.max(this.#heardAtMs, sentAtMs)
  }

  /** ZooKeeper connected, or it was said to be away: it may have been for 2/3 of a session by then. */
  presence(connected: boolean, sessionMs: number): void {
    if (this.#connected && !connected) this.heard(performance.now() - (sessionMs * 2) / 3)
    this.#connected = connected
  }
}
