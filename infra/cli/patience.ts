// Asking again what no ApiServer has answered, as while a cluster is being restarted.
import { ArmadaError, messageOf } from '../../shared/errors.ts'
import { sleep } from '../../shared/loop.ts'

const limitMs = 30_000

/**
 * The answer of the first try that has one. What is asked must have one effect, however often: give it an Idempotency-Key.
 * @param mayWork whether another try could help.
 * @throws what the last try threw, after 30 s.
 */
export async function patiently<T>(
  ask: () => Promise<T>,
  mayWork: (error: ArmadaError) => boolean,
): Promise<T> {
  const endMs = performance.now() + limitMs
  for (let tries = 0; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      const isWorth = error instanceof ArmadaError && mayWork(error)
      if (!isWorth || performance.now() > endMs) throw error
      if (tries === 0) note(`${messageOf(error)} It is tried for ${limitMs / 1_000} s`)
      await sleep(1_000)
    }
  }
}

/** Beside what a command prints: it does not go where that goes. */
export function note(text: string): void {
  process.stderr.write(`--- ${text} ---\n`)
}
