// Ending a container: its stop signal, then its grace, then SIGKILL.
import { sleep } from '../../shared/loop.ts'
import type { Engine } from '../docker/engine.ts'
import { EngineError } from '../docker/engineError.ts'

/**
 * Resolves when the container does not run any more. It asks instead of waiting for Docker's word (a wait of
 * Docker's never settles when dockerd dies), and goes on while the engine is away or refuses.
 */
export async function halt(engine: Engine, id: string, graceMs: number): Promise<void> {
  const killAtMs = performance.now() + graceMs
  let asked = false
  for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 1.5, 250)) {
    try {
      const details = await engine.details(id)
      if (details?.state !== 'running') return
      if (performance.now() >= killAtMs) await engine.signal(id, 'SIGKILL')
      else if (!asked) await engine.signal(id, details.stopSignal)
      asked = true
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
    }
    await sleep(Math.max(10, Math.min(pauseMs, killAtMs - performance.now())))
  }
}
