// Overflow: what ships in use are given that their fleet has no place for, as `allocationOverflow` of Agones' fleets.
import { z } from 'zod'
import { Labels } from './name.ts'
import { Annotations } from './shipData.ts'

const mostBytes = 1_024

export const Overflow = z
  .strictObject({ labels: Labels.default({}), annotations: Annotations.default({}) })
  .refine((overflow) => Buffer.byteLength(JSON.stringify(overflow)) <= mostBytes, {
    message: `may take ${mostBytes} bytes of JSON`,
  })
  .meta({
    id: 'Overflow',
    description:
      'What ships in use are given that are beyond `replicas`, those of older revisions first, or that a rollout is to end; taken back when that is over, or their use is. Of Ready ships nothing. Their SDK sees it at once',
  })
export type Overflow = z.infer<typeof Overflow>

/** Key -> what it was before; null: not there. */
const before = z.record(z.string(), z.string().nullable())

export const ShipOverflow = z.strictObject({
  given: Overflow,
  before: z.strictObject({ labels: before, annotations: before }),
})
/** On the record of a ship that has it. */
export type ShipOverflow = z.infer<typeof ShipOverflow>
