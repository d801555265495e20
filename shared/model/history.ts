// What a record remembers of itself: its last changes, written with the change itself, so that an entry is there
// exactly if the change happened.
import { z } from 'zod'
import { Name } from './name.ts'
import { ShipState } from './shipState.ts'

/** Entries that a record keeps. With the limit on reasons they take up to about 5 kB, usually under 1 kB. */
const most = 16
const reasonLength = 200

const common = {
  n: z.int().min(1).describe('Runs on within the record, also when older entries have gone'),
  at: z.iso.datetime(),
  reason: z.string().max(reasonLength).optional(),
}

export const ShipEntry = z.strictObject({
  ...common,
  state: ShipState,
  attempt: z.int().min(1),
  host: Name.optional(),
  refused: z.literal(true).optional().describe('The scheduler found no host; the ship stays Queued'),
})
export type ShipEntry = z.infer<typeof ShipEntry>

export const FleetEntry = z.strictObject({
  ...common,
  what: z.enum([
    'created',
    'scaled',
    'autoscaled',
    'policy',
    'revised',
    'canary-ready',
    'promoted',
    'paused',
    'resumed',
    'rolled-out',
    'rolling-back',
    'rolled-back',
    'crash-loop',
    'held',
    'deleting',
    'deleted',
  ]),
})
export type FleetEntry = z.infer<typeof FleetEntry>

export const ShipHistory = z.array(ShipEntry).max(most)
export const FleetHistory = z.array(FleetEntry).max(most)

/** The history with one more entry. @param replaces whether the new entry takes the place of the last one. */
export function withEntry<T extends { n: number; reason?: string | undefined }>(
  history: readonly T[] | undefined,
  entry: Omit<T, 'n'>,
  replaces: (last: T) => boolean = () => false,
): T[] {
  const last = history?.at(-1)
  const kept = last && replaces(last) ? history?.slice(0, -1) : history
  const reason = entry.reason?.slice(0, reasonLength)
  const next = { n: (last?.n ?? 0) + 1, ...entry, ...(reason !== undefined && { reason }) } as unknown as T
  return [...(kept ?? []), next].slice(-most)
}
