// Where a ship may and should run: constraints of a blueprint, as the scheduler reads them.
import { z } from 'zod'
import { Name } from './name.ts'

const LabelKey = z.string().min(1).max(63)

/** One expression over host labels, with the operators known from Kubernetes. */
export const Selector = z
  .strictObject({
    key: LabelKey,
    operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']).default('In'),
    values: z.array(z.string().max(63)).max(32).default([]),
  })
  .refine((s) => (s.operator === 'In' || s.operator === 'NotIn') === s.values.length > 0, {
    path: ['values'],
    message: 'In and NotIn need values; Exists and DoesNotExist take none',
  })
export type Selector = z.infer<typeof Selector>

export const Taint = z.strictObject({ key: LabelKey, value: z.string().max(63).default('') })
export type Taint = z.infer<typeof Taint>

export const Placement = z
  .strictObject({
    strategy: z
      .enum(['packed', 'distributed'])
      .default('packed')
      .describe('packed fills hosts so that others stay empty; distributed spreads the load'),
    require: z.array(Selector).max(16).default([]).describe('A host must match all of them'),
    prefer: z
      .array(z.strictObject({ selector: Selector, weight: z.int().min(1).max(100) }))
      .max(16)
      .default([])
      .describe('Hosts that match gain the weight in the score'),
    antiAffinity: z
      .enum(['none', 'preferred', 'required'])
      .default('none')
      .describe('Keeps ships of one fleet on different hosts'),
    spread: z
      .strictObject({ label: LabelKey, maxSkew: z.int().min(1).max(1000).default(1) })
      .optional()
      .describe('Keeps the numbers of fleet mates in the zones of a host label within maxSkew of each other'),
    tolerations: z.array(LabelKey).max(16).default([]).describe('Keys of host taints this ship accepts'),
    host: Name.optional().describe('Pins the ship to one host'),
  })
  .meta({ id: 'Placement' })
export type Placement = z.infer<typeof Placement>
