// Well when a command inside the container ends with 0.
//
// INVARIANT: one command a ship at a time. Docker cannot end one that hangs, so the next probe waits for it.
import { sleep } from '../../../shared/loop.ts'
import type { Engine } from '../../docker/engine.ts'
import { hasStatus } from '../../docker/engineError.ts'

/** @returns a probe for one container. */
export function askExec(
  engine: Engine,
  containerId: string,
  command: readonly string[],
): (limits: { timeoutMs: number; signal: AbortSignal }) => Promise<undefined> {
  let running: string | undefined
  return async ({ timeoutMs, signal }) => {
    const endMs = performance.now() + timeoutMs
    running ??= await engine.exec(containerId, command)
    for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, 200)) {
      const code = await engine.exitOf(running).catch((error: unknown) => {
        // A dockerd that was restarted knows no command from before.
        if (hasStatus(error, 404)) running = undefined
        throw error
      })
      if (code !== null) {
        running = undefined
        if (code === 0) return undefined
        throw new Error(`its probe's command ended with exit code ${code}`)
      }
      const leftMs = endMs - performance.now()
      if (leftMs <= 0 || signal.aborted)
        throw new Error(`its probe's command did not end within ${timeoutMs} ms`)
      await sleep(Math.min(pauseMs, leftMs), signal)
    }
  }
}
