// Rollout: how the ships of a fleet come to another revision of its blueprint.
//
// INVARIANTS
// - A rollout ends no ship that is Allocated or Reserved, nor one that was before it became Unhealthy or Lost.
// - But by its deadline, which is a person's word: then only ships that were told so before, for as long as it says.
// - It goes back at most once: ships that fail on the way back only slow it down.
import { z } from 'zod'

const Share = z
  .union([
    z.int().min(0).max(10_000),
    z.string().regex(/^(100|[1-9]?[0-9])%$/, 'must be a number of ships, or a percentage such as "25%"'),
  ])
  .meta({ id: 'Share' })
export type Share = z.infer<typeof Share>

const pace = {
  maxSurge: Share.default('25%').describe(
    'Ships over `replicas` meanwhile; a percentage is of `replicas`, rounded up',
  ),
  maxUnavailable: Share.default('25%').describe(
    'Ready ships that may be lacking meanwhile; a percentage is of the replicas that are not in use, rounded down',
  ),
}
const common = {
  deadlineMs: z
    .int()
    .min(1_000)
    .max(2_592_000_000)
    .optional()
    .describe(
      'When ships of older revisions that are still in use are ended, counted from when each is told by its annotation `armada.dev/ends-at`, which goes when it is not ended after all; default: never',
    ),
  minReadyMs: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(1_000)
    .describe('How long a ship of the new revision has to be Ready before it counts as such'),
  maxFailures: z
    .int()
    .min(0)
    .max(10_000)
    .nullable()
    .default(3)
    .describe(
      'Crashes and repeatedly failed starts of the new revision; one more, and the fleet is rolled back. null: never',
    ),
}

export const Strategy = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('rolling'), ...pace, ...common }),
    z.strictObject({ type: z.literal('recreate'), ...common }),
    z.strictObject({
      type: z.literal('canary'),
      percent: z
        .int()
        .min(1)
        .max(50)
        .default(10)
        .describe('Share of `replicas` that is of the new revision first, rounded up'),
      pauseMs: z
        .int()
        .min(0)
        .max(604_800_000)
        .nullable()
        .default(60_000)
        .describe(
          'How long those must do well before the others follow, counted anew after a failure; null: until `promote`',
        ),
      ...pace,
      ...common,
    }),
  ])
  .refine(
    (strategy) =>
      strategy.type === 'recreate' || !(isNone(strategy.maxSurge) && isNone(strategy.maxUnavailable)),
    {
      path: ['maxSurge'],
      message: 'maxSurge and maxUnavailable cannot both be 0: no ship could be exchanged',
    },
  )
  .meta({
    id: 'Strategy',
    description:
      'How ships come to another revision; default: rolling. A new one counts at once, also while it goes on',
  })
export type Strategy = z.infer<typeof Strategy>

function isNone(share: Share): boolean {
  return share === 0 || share === '0%'
}

export const defaultStrategy: Strategy = Strategy.parse({ type: 'rolling' })

export const RolloutState = z
  .enum(['canary', 'watching', 'rolling', 'done', 'rolling-back', 'rolled-back'])
  .describe(
    'canary: the first ships of the new revision are being made; watching: they are Ready and have to do well, anew after a failure; rolling: the others follow; done; rolling-back: the ships go back to the revision `to`; rolled-back',
  )
export type RolloutState = z.infer<typeof RolloutState>

/** What follows what. A rollout that is over is followed by another one. */
const turns: Readonly<Record<RolloutState, readonly RolloutState[]>> = {
  canary: ['watching', 'rolling-back'],
  watching: ['watching', 'rolling', 'rolling-back'],
  rolling: ['done', 'rolling-back'],
  done: [],
  'rolling-back': ['rolled-back'],
  'rolled-back': [],
}

export function mayTurn(from: RolloutState, to: RolloutState): boolean {
  return turns[from].includes(to)
}

export function isOver(state: RolloutState): boolean {
  return state === 'done' || state === 'rolled-back'
}

/** Ships of other revisions end, or would if they were not in use. Canaries have to do well first. */
export function isExchanging(rollout: Pick<Rollout, 'state' | 'paused'> | undefined): boolean {
  return !rollout?.paused && (rollout?.state === 'rolling' || rollout?.state === 'rolling-back')
}

export const Rollout = z.strictObject({
  state: RolloutState,
  from: z.int().min(1).describe('The revision to go back to'),
  to: z.int().min(1).describe('The revision that all ships are to have'),
  newest: z
    .int()
    .min(1)
    .optional()
    .describe(
      'The newest revision that the fleet has ever gone to: one that follows its blueprint goes by itself to later ones only',
    ),
  startedAt: z.iso.datetime(),
  since: z.iso.datetime().describe('When it came into its state, or went on after a pause'),
  reason: z.string().max(500).nullable().describe('Who wanted it, or why it is rolled back'),
  resizes: z
    .literal(true)
    .optional()
    .describe(
      'The revisions differ in limits: running ships get them in place, and only others are replaced',
    ),
  paused: z
    .strictObject({
      since: z.iso.datetime(),
      by: z.string(),
      surplus: z
        .strictObject({ replicas: z.int().min(0), ships: z.int().min(0) })
        .describe('Ships beyond the replicas then: they stay until the replicas change'),
    })
    .optional()
    .describe('Nothing is exchanged, promoted or rolled back meanwhile, and no deadline ends anything'),
})
/** On the record of a fleet: the rollout that is under way, or the last one. */
export type Rollout = z.infer<typeof Rollout>

const count = z.int().min(0)

export const Crew = z
  .strictObject({
    ready: count.describe('Ready; of the new revision, for `minReadyMs` at least'),
    inUse: count.describe('Allocated or Reserved, or were before they became Unhealthy or Lost'),
    coming: count.describe('Queued, Scheduled or Starting, or not Ready for long enough'),
    unwell: count.describe('Unhealthy, and not in use'),
    lost: count.describe('Lost, and not in use'),
    leaving: count.describe('Stopping'),
  })
  .meta({ id: 'Crew', description: 'Ships of the revision `to` (updated), or of any other (outdated)' })
/** Ships of a fleet, counted for its rollout. */
export type Crew = z.infer<typeof Crew>

export const RolloutView = Rollout.extend({
  total: count.describe('Ships that count towards `replicas`'),
  updated: Crew,
  outdated: Crew,
  failures: count.describe('Crashes and repeatedly failed starts of the revision `to` since `startedAt`'),
  resized: z
    .strictObject({
      done: count.describe('Have the limits of the new revision, in place'),
      pending: count.describe('Are about to: their hosts have not answered yet'),
      refused: count.describe('Are or were replaced instead: `resize.reason` of each ship says why'),
    })
    .optional()
    .describe('With `resizes`: ships of the fleet, by what became of their limits as they ran'),
  due: count.describe(
    'Ships in use to be told when they end, or that they do not, or to be ended now; see `deadlineMs`',
  ),
  lastFailure: z.string().nullable().describe('What was said of the last of them'),
  lastFailureAt: z.iso.datetime().nullable(),
}).meta({ id: 'Rollout', description: 'The rollout that is under way, or the last one' })
/** A rollout as the API shows it. */
export type RolloutView = z.infer<typeof RolloutView>

export const noCrew: Crew = { ready: 0, inUse: 0, coming: 0, unwell: 0, lost: 0, leaving: 0 }

/** Ships that count towards the replicas. */
export function sizeOf({ ready, inUse, coming, unwell, lost }: Crew): number {
  return ready + inUse + coming + unwell + lost
}
