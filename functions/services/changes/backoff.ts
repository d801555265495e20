// Backoff: how long a ship that keeps failing waits before it is tried again. Pure.
import type { Ship } from '../../../shared/model/ship.ts'

/** A ship that was well for so long has done with its earlier crashes. */
const calmMs = 600_000

/** Crashes in a row so far. */
export function crashesOf({ crashes = 0, readyAt }: Pick<Ship, 'crashes' | 'readyAt'>): number {
  const wasWell = readyAt !== null && Date.now() - Date.parse(readyAt) >= calmMs
  return wasWell ? 0 : crashes
}

/** When a ship that failed may be placed again (ms since 1970): 1 s later, then 2, 4 … up to 60 s; 0: at once. */
export function notBeforeMs({ failedStarts, crashes = 0 }: Pick<Ship, 'failedStarts' | 'crashes'>): number {
  const failures = failedStarts + crashes
  return failures === 0 ? 0 : Date.now() + Math.min(60_000, 1_000 * 2 ** (failures - 1))
}
