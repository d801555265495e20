// Fleet: N ships of one blueprint, kept at N.
import { z } from 'zod'
import { Autoscale, Autoscaling } from './autoscale.ts'
import { BlueprintRef } from './blueprint.ts'
import { FleetHistory } from './history.ts'
import { Labels, Name, PrefixName } from './name.ts'
import { Overflow } from './overflow.ts'
import { Rollout, RolloutView, Strategy } from './rollout.ts'
import { ShipState } from './shipState.ts'
import { Quota } from './token.ts'
import { TraceId } from './traceId.ts'

export const Fleet = z.strictObject({
  name: PrefixName,
  blueprint: BlueprintRef.describe('What its ships are made of, or are to be when its rollout is done'),
  follow: z
    .literal(true)
    .optional()
    .describe(
      'It goes to every new revision of its blueprint by itself, but not to one it was rolled back from',
    ),
  strategy: Strategy.optional().describe('How its ships come to another revision; default: rolling'),
  rollout: Rollout.optional().describe('The rollout that is under way, or the last one'),
  naming: z
    .enum(['random', 'ordinal'])
    .optional()
    .describe(
      'ordinal: its ships are numbered, `lobby-1` to `lobby-{replicas}`; a new one takes the lowest name that is free, when the ship before has ended, and finds what its volumes have kept. Default: random, ships have ids only',
    ),
  replicas: z.int().min(0).max(10_000).describe('Ships to keep'),
  labels: Labels,
  priority: z.int().min(0).max(100).describe('Ships of higher priority are placed first'),
  deleting: z.boolean().describe('Its ships are being stopped; then the fleet goes'),
  generation: z
    .int()
    .min(0)
    .describe('Raised with every batch of ships made for it: fences doubled creation'),
  createdBy: Name.optional().describe(
    'The token under whose quota its ships count: that which made it, or last scaled it up',
  ),
  makerQuota: Quota.optional().describe(
    'That of the token in `createdBy`: it holds also when the token is gone',
  ),
  held: z.string().optional().describe('Why a quota allowed no more ships when they were last wanted'),
  overflow: Overflow.optional(),
  traceId: TraceId.optional().describe(
    'W3C trace id of the request that made it, or changed it last: its ships are made and stopped in this trace',
  ),
  relabel: z
    .strictObject({
      labels: z.record(z.string(), z.string().nullable()),
      revisions: z
        .strictObject({
          from: z.int(),
          to: z.int(),
          labels: z
            .record(z.string(), z.string().nullable())
            .optional()
            .describe('Those that ships of the first are given with the second'),
          limits: z.literal(true).optional().describe('They differ in limits, too: where those have room'),
        })
        .optional(),
    })
    .optional()
    .describe('What its ships are being given as they run'),
  crashLoop: z.string().optional().describe('Why its ships are made ever more slowly'),
  autoscale: Autoscale.optional().describe('Decides the replicas; absent: people do'),
  autoscaling: Autoscaling.optional().describe('What was decided last, and why'),
  createdAt: z.iso.datetime(),
  history: FleetHistory.optional().describe('What happened to it last; absent in records of older versions'),
})
/** The record in etcd. */
export type Fleet = z.infer<typeof Fleet>

/** The newest revision that it has ever gone to. */
export function newestOf({
  blueprint,
  rollout,
}: {
  blueprint: BlueprintRef
  rollout?: Pick<Rollout, 'from' | 'newest'> | null | undefined
}): number {
  return Math.max(blueprint.revision, rollout?.from ?? 0, rollout?.newest ?? 0)
}

export const FleetView = Fleet.omit({ held: true, makerQuota: true, history: true })
  .extend({
    revision: z.string().describe('Changes with every change of the record'),
    strategy: Strategy,
    rollout: RolloutView.nullable(),
    overflowDue: z
      .int()
      .min(0)
      .optional()
      .describe('With `overflow`: ships that are about to be given it, or to lose it'),
    failures: z.int().min(0).describe('Failed ships of its revision that are still on record'),
    ships: z.partialRecord(ShipState, z.int()).describe('Number of ships in each state'),
    message: z.string().nullable().describe('Why the fleet is not complete'),
  })
  .meta({ id: 'Fleet' })
/** A fleet as the API shows it. */
export type FleetView = z.infer<typeof FleetView>
