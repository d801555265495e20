// What a ship keeps on its record for its players, matchmakers and itself: annotations, counters and lists.
import { z } from 'zod'

/** Of annotations, counters and lists. */
export const dataKey = z
  .string()
  .regex(
    /^[a-zA-Z0-9]([a-zA-Z0-9._/-]{0,61}[a-zA-Z0-9])?$/,
    'must be 1 to 63 of a-z, A-Z, 0-9, ".", "_", "/", "-"',
  )
const amount = z.int().min(0)
const atMost = (most: number, what: string) =>
  [(record: object) => Object.keys(record).length <= most, `at most ${most} ${what}`] as const

export const mostListed = 1_000

/** All that a ship keeps. A hundred records have to fit into one transaction of etcd (1.5 MB). */
export const mostDataBytes = 8_192

export const Annotations = z
  .record(dataKey, z.string().max(mostDataBytes))
  .refine(...atMost(32, 'annotations'))
export type Annotations = z.infer<typeof Annotations>

export const Counter = z
  .strictObject({
    count: amount.default(0),
    capacity: amount.default(0).describe('The most that it may count'),
    countedBy: z
      .literal('probe')
      .optional()
      .describe(
        'probe: it counts the players that the game names in answer to the query probe, and its capacity is the most that the game takes, if it says so. Told every 5 s, so that the probe may wait no longer than 10 s between two questions; what allocations add counts for 30 s on top, while those players are on their way. Nobody else changes it. Default: the ship, allocations and the API count',
      ),
  })
  .refine(({ count, capacity }) => count <= capacity, {
    path: ['count'],
    message: 'is more than the capacity',
  })
export type Counter = z.infer<typeof Counter>
export const Counters = z.record(dataKey, Counter).refine(...atMost(16, 'counters'))
export type Counters = z.infer<typeof Counters>

export const List = z
  .strictObject({
    values: z
      .array(z.string().max(256))
      .max(mostListed)
      .refine((values) => new Set(values).size === values.length, 'a value stands twice')
      .default([]),
    capacity: amount.max(mostListed).default(0).describe('The most values that it may hold'),
  })
  .refine(({ values, capacity }) => values.length <= capacity, {
    path: ['values'],
    message: 'are more than the capacity',
  })
export type List = z.infer<typeof List>
export const Lists = z.record(dataKey, List).refine(...atMost(16, 'lists'))
export type Lists = z.infer<typeof Lists>

export function dataBytes(data: {
  annotations?: Annotations | undefined
  counters?: Counters | undefined
  lists?: Lists | undefined
  allocations?: readonly unknown[] | undefined
}): number {
  const { annotations = {}, counters = {}, lists = {}, allocations = [] } = data
  return Buffer.byteLength(JSON.stringify([annotations, counters, lists, allocations]))
}
