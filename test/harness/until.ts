// Waiting in tests for something to come true.
import { setTimeout as delay } from 'node:timers/promises'

/** @throws when `holds` has not come true within `limitMs`. */
export async function until(holds: () => boolean | Promise<boolean>, limitMs = 10_000): Promise<void> {
  const endMs = performance.now() + limitMs
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`did not come true within ${limitMs} ms: ${holds}`)
    await delay(10)
  }
}

/** What the promise rejects with, or `undefined` when it resolves. */
export async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
}
