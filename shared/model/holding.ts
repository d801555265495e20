// Holding: what one ship occupies on its host. Placement knows a host's use from the list of them in its advice,
// and from the jobs in its box (job.ts) that no advice shows yet.
import { z } from 'zod'
import { Labels, Name } from './name.ts'
import { PortNumber } from './port.ts'
import { Resources } from './resources.ts'

export const Holding = z.strictObject({
  ship: Name,
  attempt: z.int().min(1),
  fleet: Name.nullable(),
  resources: Resources,
  hostPorts: z.array(PortNumber),
})
export type Holding = z.infer<typeof Holding>

export const Advice = z.strictObject({
  v: z.literal(1),
  degraded: z.string().nullable().describe('Why the host takes no new ships, as its agent sees it'),
  cordoned: z.string().nullable().default(null).describe('Why it takes none, as people ordered'),
  labels: Labels.default({}).describe("Given by people; they win over the agent's"),
  holdings: z.array(Holding),
  ended: z
    .array(z.strictObject({ ship: Name, attempt: z.int().min(1) }))
    .default([])
    .describe('The last that have left the host, or will never board it; holdings may never have shown them'),
})
/** The value of a host's advisor node in ZooKeeper: written by the ApiServer when it changes. */
export type Advice = z.infer<typeof Advice>
