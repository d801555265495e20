// Containers that are being removed. Nobody waits for it: a removal that hangs or is refused holds up nothing else.
//
// INVARIANTS
// - Each container once at a time, a few at a time, and again with growing pauses until it is gone.
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { pauseAfter } from '../../../shared/loop.ts'
import type { Engine } from '../../docker/engine.ts'
import { Slots } from '../../slots.ts'

const inFlight = 4
const longestPauseMs = 60_000

export class Removals {
  readonly #engine: Engine
  readonly #signal: AbortSignal
  readonly #log: Log
  readonly #slots = new Slots(inFlight)
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(engine: Engine, signal: AbortSignal, log: Log) {
    this.#engine = engine
    this.#signal = signal
    this.#log = log
  }

  /** Returns at once. */
  add(containerId: string): void {
    if (this.#underWay.has(containerId)) return
    const gone = this.#remove(containerId).finally(() => this.#underWay.delete(containerId))
    this.#underWay.set(containerId, gone)
  }

  /** Resolves when none is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay.values())
  }

  async #remove(containerId: string): Promise<void> {
    for (let failures = 0; !this.#signal.aborted; failures++) {
      try {
        return await this.#slots.run(() => this.#engine.remove(containerId))
      } catch (error) {
        const told = { containerId, error: messageOf(error), failures }
        this.#log.warn(told, 'a container cannot be removed yet and is tried again')
        await pauseAfter(failures, 1_000, longestPauseMs, this.#signal)
      }
    }
  }
}
