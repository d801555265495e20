// Containers that are being ended: each once, however often that is asked for; a shorter grace counts at once.
import type { Engine } from '../../docker/engine.ts'
import { type Farewell, halt } from './halt.ts'

/** After its SIGKILL, by the engine and then by this process, a container that can be ended has. */
const killMs = 7_000

export interface HaltOrder {
  containerId: string
  /** Its first process; 0 when that is not known. */
  pid: number
  graceMs: number
  command?: string | undefined
  /** What keeps it from ending, should it take too long. */
  onTrouble: (trouble: string) => void
}

export class Halts {
  readonly #engine: Engine
  readonly #signal: AbortSignal
  readonly #onEnded: () => void
  readonly #underWay = new Map<string, { farewell: Farewell; ended: Promise<void> }>()

  constructor(engine: Engine, signal: AbortSignal, onEnded: () => void) {
    this.#engine = engine
    this.#signal = signal
    this.#onEnded = onEnded
  }

  /** How long to wait yet for one that is being ended: once in all, however often it is asked for. */
  patienceMs(containerId: string | null): number {
    const nowMs = performance.now()
    const killAtMs = this.#underWay.get(containerId ?? '')?.farewell.killAtMs ?? nowMs
    return Math.max(0, killAtMs + killMs - nowMs)
  }

  /** Resolves when the container does not run any more, or when the signal fires. */
  end({ containerId, pid, graceMs, command, onTrouble }: HaltOrder): Promise<void> {
    const killAtMs = performance.now() + graceMs
    const underWay = this.#underWay.get(containerId)
    if (underWay) {
      underWay.farewell.killAtMs = Math.min(underWay.farewell.killAtMs, killAtMs)
      return underWay.ended
    }
    const farewell = { killAtMs, command }
    const body = { engine: this.#engine, id: containerId, pid }
    const ended = halt({ ...body, farewell, signal: this.#signal, onTrouble }).finally(() => {
      this.#underWay.delete(containerId)
      this.#onEnded()
    })
    this.#underWay.set(containerId, { farewell, ended })
    return ended
  }
}
