// Well when the container runs, and did not only run for a moment: a wrong command or a missing library ends a
// ship within its first tenth of a second, and such a ship was never ready.
import { sleep } from '../../../shared/loop.ts'
import { runsIn } from '../../cgroup.ts'
import type { Engine } from '../../docker/engine.ts'
import { isAway } from '../../docker/engineError.ts'
import type { Aboard } from '../../roster.ts'

const momentMs = 100

/** Resolves true when it runs, false when it has ended or the signal came before. */
export async function outlivesAMoment(engine: Engine, entry: Aboard, signal: AbortSignal): Promise<boolean> {
  await sleep(Math.max(0, entry.startedAtMs + momentMs - performance.now()), signal)
  // The kernel says it for less than the engine, which is busy where many ships start.
  if (!signal.aborted && runsIn(entry)) return true
  while (!signal.aborted) {
    try {
      return (await engine.details(entry.containerId ?? ''))?.state === 'running'
    } catch (error) {
      if (!isAway(error)) throw error
      await sleep(500, signal)
    }
  }
  return false
}
