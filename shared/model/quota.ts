// FleetQuota: how much the ships of some fleets may ask for at the same time, whoever makes them.
import { z } from 'zod'
import { Name } from './name.ts'
import { FleetPattern, Quota } from './token.ts'

export const Use = z.strictObject({
  ships: z.int().min(0),
  cpuMillis: z.int().min(0),
  memoryMiB: z.int().min(0),
})
/** What ships that have not ended ask for together. */
export type Use = z.infer<typeof Use>

export const FleetQuota = Quota.extend({
  name: Name,
  fleets: z
    .array(FleetPattern)
    .min(1)
    .max(32)
    .describe('Ships of fleets of these names count together; "*" stands for any characters'),
})
/** The record in etcd. */
export type FleetQuota = z.infer<typeof FleetQuota>

export const FleetQuotaView = FleetQuota.extend({
  used: Use.describe('By ships that have not ended; may be above a limit that was lowered'),
  revision: z.string().describe('Changes with every change of the quota'),
}).meta({ id: 'Quota' })
/** A quota as the API shows it. */
export type FleetQuotaView = z.infer<typeof FleetQuotaView>
