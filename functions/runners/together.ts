// Parts of one leadership: they run side by side, and the end of one is the end of all.
import type { Leadership } from './leadership.ts'

/**
 * Runs the parts until the leadership ends or one of them does; resolves when all have ended.
 * @throws what the first part to fail threw, unless the leadership was over by then.
 */
export async function together(
  leads: Leadership['signal'],
  parts: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const over = new AbortController()
  const signal = AbortSignal.any([leads, over.signal])
  let failure: { error: unknown } | undefined
  await Promise.all(
    parts.map(async (part) => {
      try {
        await part(signal)
      } catch (error) {
        if (!signal.aborted) failure ??= { error }
      } finally {
        over.abort()
      }
    }),
  )
  if (failure) throw failure.error
}
