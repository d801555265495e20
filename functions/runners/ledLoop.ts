// A leader's loop: like any loop, but that a newer leader's epoch ends it.
import { ArmadaError } from '../../shared/errors.ts'
import { type LoopOptions, loop } from '../../shared/loop.ts'

/** Repeats `turn` until the signal fires. @throws ArmadaError stale_epoch as soon as a turn does. */
export async function ledLoop(options: LoopOptions, turn: () => Promise<void>): Promise<void> {
  const deposed = new AbortController()
  const signal = AbortSignal.any([options.signal, deposed.signal])
  await loop({ ...options, signal }, async () => {
    try {
      await turn()
    } catch (error) {
      if (!isDeposed(error)) throw error
      deposed.abort(error)
    }
  })
  if (deposed.signal.aborted) throw deposed.signal.reason
}

export function isDeposed(error: unknown): boolean {
  return error instanceof ArmadaError && error.code === 'stale_epoch'
}
