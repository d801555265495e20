// Gang: ships of one request that are placed together, all or none.
import { z } from 'zod'
import { Name, shipIdFor } from './name.ts'

/** All of them fit into one transaction of etcd and one turn of the scheduler. */
export const mostInGang = 64

export const Gang = z.strictObject({
  id: Name,
  size: z.int().min(2).max(mostInGang).describe('Ships it was made with'),
})
export type Gang = z.infer<typeof Gang>

export const ShipGang = Gang.extend({
  alone: z
    .literal(true)
    .optional()
    .describe('It was queued again after it had a host: since then it is placed by itself'),
}).meta({ id: 'ShipGang' })
/** What a ship's record has of its gang. */
export type ShipGang = z.infer<typeof ShipGang>

/** The ids of its ships follow from its own, so that a ticket need not name them. */
export function shipsOfGang({ id, size }: Gang): string[] {
  const prefix = id.slice(0, id.lastIndexOf('-'))
  return Array.from({ length: size }, (_, index) => shipIdFor(prefix, id, index))
}

/** The gang that the same request makes again. */
export function gangFor(prefix: string, key: string, size: number): Gang {
  return { id: shipIdFor(prefix, `${key}\ngang`, 0), size }
}
