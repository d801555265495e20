// Ending a container: its stop command if it has one, its stop signal, then its grace, then SIGKILL.
import { sleep } from '../../shared/loop.ts'
import type { Engine } from '../docker/engine.ts'
import { EngineError } from '../docker/engineError.ts'
import { writeInput } from '../docker/input.ts'

export interface Farewell {
  graceMs: number
  /** A line for its console, in place of the signal for the first half of the grace. */
  command?: string | undefined
}

/**
 * Resolves when the container does not run any more. It asks instead of waiting for Docker's word (a wait of
 * Docker's never settles when dockerd dies), and goes on while the engine is away or refuses.
 */
export async function halt(engine: Engine, id: string, { graceMs, command }: Farewell): Promise<void> {
  const beginMs = performance.now()
  const killAtMs = beginMs + graceMs
  const said = command !== undefined && (await say(engine, id, command))
  const signalAtMs = said ? beginMs + graceMs / 2 : beginMs
  let asked = false
  for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 1.5, 250)) {
    try {
      const details = await engine.details(id)
      if (details?.state !== 'running') return
      if (performance.now() >= killAtMs) await engine.signal(id, 'SIGKILL')
      else if (!asked && performance.now() >= signalAtMs) {
        await engine.signal(id, details.stopSignal)
        asked = true
      }
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
    }
    await sleep(Math.max(10, Math.min(pauseMs, killAtMs - performance.now())))
  }
}

/** False when the ship does not take it: then the signal has to do. */
async function say(engine: Engine, id: string, command: string): Promise<boolean> {
  return writeInput(engine, id, `${command}\n`).then(
    () => true,
    () => false,
  )
}
