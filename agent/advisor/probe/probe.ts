// What a probe of any kind answers: what it saw when the ship is well; it throws what it saw when not.
import type { Players } from '../shipMeter.ts'

export interface ProbeTarget {
  /** Where the ship's ports can be reached from this host: its own address, never a published port. */
  address: string
  /** The port the game listens on there. */
  port: number
  timeoutMs: number
  signal: AbortSignal
}

/** @throws Error whose message is what a person should read. */
export type Ask = (target: ProbeTarget) => Promise<Players | undefined>
