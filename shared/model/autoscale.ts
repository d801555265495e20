// Autoscaling: a policy says how many ships a fleet is to have, within bounds, windows and steps.
//
// Words are those of Agones' FleetAutoscaler where it has one.
import { Cron } from 'croner'
import { z } from 'zod'
import { dataKey } from './shipData.ts'
import { WebhookUrl } from './webhook.ts'

const mostShips = 10_000
const ships = z.int().min(0).max(mostShips)
const percent = /^[1-9]\d?%$/
const key = dataKey

const Free = z
  .union([
    z.int().min(1).max(1_000_000),
    z.string().regex(percent, 'must be a number, or "1%" to "99%" of the whole capacity'),
  ])
  .describe('What is kept free over the whole fleet: a number, or a share of the whole capacity as `20%`')

export const BufferPolicy = z
  .strictObject({
    type: z.literal('buffer'),
    size: z
      .union([ships, z.string().regex(percent, 'must be a number of ships, or "1%" to "99%" of the fleet')])
      .describe('Ships kept beyond those in use: a number, or a share of the fleet as `20%`'),
  })
  .meta({ id: 'BufferPolicy', description: 'As many ships as are in use or waited for, and so many more' })

export const CounterPolicy = z
  .strictObject({ type: z.literal('counter'), key: key.describe('Name of the counter'), free: Free })
  .meta({ id: 'CounterPolicy', description: 'Enough ships for so much free capacity of a counter' })

export const ListPolicy = z
  .strictObject({ type: z.literal('list'), key: key.describe('Name of the list'), free: Free })
  .meta({ id: 'ListPolicy', description: 'Enough ships for so much free capacity of a list' })

export const PlayersPolicy = z
  .strictObject({
    type: z.literal('players'),
    free: Free,
    capacity: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .describe('Players that a ship has room for; default: what the ships told their probes, on average'),
  })
  .meta({
    id: 'PlayersPolicy',
    description: 'Enough ships for so many free places of players, as the probes count them',
  })

export const FixedPolicy = z
  .strictObject({ type: z.literal('fixed'), replicas: ships })
  .meta({ id: 'FixedPolicy', description: 'Just so many ships: for schedules' })

export const WebhookPolicy = z
  .strictObject({
    type: z.literal('webhook'),
    url: WebhookUrl.describe(
      "Asked with Agones' FleetAutoscaleReview. https, and no redirects are followed. Private addresses, and plain http to them, only as far as ARMADA_WEBHOOK_ALLOW goes. Everybody who sees the fleet sees it: put no secret into it",
    ),
  })
  .meta({
    id: 'WebhookPolicy',
    description:
      'As many ships as a server of yours answers. It does not apply while that server does not answer',
  })

const simple = [BufferPolicy, CounterPolicy, ListPolicy, PlayersPolicy, FixedPolicy, WebhookPolicy] as const
export const SimplePolicy = z.discriminatedUnion('type', simple).meta({ id: 'SimplePolicy' })
export type SimplePolicy = z.infer<typeof SimplePolicy>

const TimeZone = z.string().min(1).max(64).refine(isTimeZone, 'is no time zone such as "Europe/Berlin"')

export const SchedulePolicy = z
  .strictObject({
    type: z.literal('schedule'),
    cron: z
      .string()
      .max(128)
      .describe('When it begins: minute, hour, day of month, month, day of week, as `0 18 * * 5,6`'),
    timeZone: TimeZone.default('UTC').describe('Where these are read; with summer time, if it has that'),
    durationMs: z
      .int()
      .min(60_000)
      .max(366 * 86_400_000)
      .describe('How long it goes on, in ms'),
    from: z.iso.datetime().optional().describe('Not before; default: at once'),
    until: z.iso.datetime().optional().describe('Not after; default: for ever'),
    policy: SimplePolicy.describe('What counts meanwhile'),
  })
  .superRefine(({ cron, timeZone, from, until }, context) => {
    const fault = isTimeZone(timeZone) ? cronFault(cron, timeZone) : undefined
    if (fault) context.addIssue({ code: 'custom', path: ['cron'], message: fault })
    if (from !== undefined && until !== undefined && Date.parse(from) >= Date.parse(until))
      context.addIssue({ code: 'custom', path: ['until'], message: 'must be later than `from`' })
  })
  .meta({
    id: 'SchedulePolicy',
    description: 'Another policy at certain times. Outside of them it does not apply',
  })
export type SchedulePolicy = z.infer<typeof SchedulePolicy>

const ChainedPolicy = z.discriminatedUnion('type', [...simple, SchedulePolicy])

export const ChainPolicy = z
  .strictObject({ type: z.literal('chain'), policies: z.array(ChainedPolicy).min(1).max(8) })
  .superRefine(({ policies }, context) => {
    const certain = policies.findIndex(({ type }) => type !== 'schedule' && type !== 'webhook')
    if (certain < 0 || certain === policies.length - 1) return
    const message = `would never count: the ${policies[certain]?.type} before it always applies. Put schedules and webhooks first`
    context.addIssue({ code: 'custom', path: ['policies', certain + 1], message })
  })
  .meta({ id: 'ChainPolicy', description: 'The first policy that applies counts' })

export const Policy = z.discriminatedUnion('type', [...simple, SchedulePolicy, ChainPolicy])
export type Policy = z.infer<typeof Policy>

const pace = (stabilisationMs: number, way: string, kept: string) =>
  z.strictObject({
    stabilisationMs: z
      .int()
      .min(0)
      .max(3_600_000)
      .default(stabilisationMs)
      .describe(`Of what was wanted within this time the ${kept} counts, in ms`),
    most: z
      .union([
        z.int().min(1).max(mostShips),
        z.string().regex(/^[1-9]\d{0,2}%$/, 'must be a number of ships, or "1%" to "999%" of the fleet'),
      ])
      .optional()
      .describe(
        `Most ships ${way} within \`periodMs\`: a number, or a share of the fleet as \`50%\`; default: any`,
      ),
    periodMs: z.int().min(1_000).max(3_600_000).default(60_000).describe('What `most` is counted over'),
  })

const Up = pace(0, 'more', 'least')
const Down = pace(300_000, 'fewer', 'most')
export type Pace = z.infer<typeof Up>

export const Autoscale = z
  .strictObject({
    policy: Policy,
    min: ships.default(0).describe('Fewest ships; 0 lets the fleet go to nothing'),
    max: z.int().min(1).max(mostShips).describe('Most ships'),
    up: Up.prefault({}).describe('How fast the fleet grows'),
    down: Down.prefault({}).describe('How fast it shrinks; ships in use are never ended by it'),
  })
  .refine(({ min, max }) => min <= max, { path: ['min'], message: 'must not be above max' })
  .meta({ id: 'Autoscale' })
/** How a fleet's number of ships is decided. */
export type Autoscale = z.infer<typeof Autoscale>

export const Autoscaling = z
  .strictObject({
    wanted: ships.describe('What the policy asks for, within min and max; windows and steps lead there'),
    why: z.string().max(500).describe('Why the fleet has just as many replicas as it has'),
    at: z.iso.datetime(),
  })
  .meta({ id: 'Autoscaling' })
/** The last decision on a fleet. */
export type Autoscaling = z.infer<typeof Autoscaling>

/** All policies within one, in the order in which they are tried. */
export function* policiesIn(policy: Policy): Generator<Policy> {
  yield policy
  if (policy.type === 'schedule') yield policy.policy
  if (policy.type === 'chain') for (const one of policy.policies) yield* policiesIn(one)
}

/** What the policy has measured of a fleet's ships; undefined: nothing. */
export function measureOf(policy: Policy): string | undefined {
  if (policy.type === 'counter' || policy.type === 'list') return `${policy.type}:${policy.key}`
  return policy.type === 'players' ? 'players' : undefined
}

/** The URLs that it asks. */
export function askedBy({ policy }: Autoscale): string[] {
  return [...policiesIn(policy)].flatMap((one) => (one.type === 'webhook' ? [one.url] : []))
}

/** A cron of five fields. @throws Error that says what is wrong with it. */
export function cronOf(cron: string, timeZone: string): Cron {
  return new Cron(cron, { timezone: timeZone, mode: '5-part' })
}

function cronFault(cron: string, timeZone: string): string | undefined {
  try {
    return cronOf(cron, timeZone).nextRun() ? undefined : 'never comes'
  } catch (error) {
    return `is no cron of five fields: ${error instanceof Error ? error.message : error}`.slice(0, 200)
  }
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== null
  } catch {
    return false
  }
}
