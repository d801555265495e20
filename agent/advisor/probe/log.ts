// Well once the ship has printed a line that contains a text. Read from the container's start, so that an
// agent that came later finds it too.
import { sleep } from '../../../shared/loop.ts'
import type { Engine } from '../../docker/engine.ts'
import { EngineError } from '../../docker/engineError.ts'
import { followLines } from '../../docker/log.ts'

/** Resolves true at the line, false when the signal came before. */
export async function untilLine(
  engine: Engine,
  containerId: string,
  pattern: string,
  signal: AbortSignal,
): Promise<boolean> {
  while (!signal.aborted) {
    try {
      for await (const line of followLines(engine, containerId, signal)) {
        if (line.includes(pattern)) return true
      }
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
    }
    // The log also ends when dockerd is restarted under a ship that runs on.
    await sleep(500, signal)
  }
  return false
}
