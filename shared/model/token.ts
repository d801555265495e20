// Token: what a person or a program shows to be let in, and what it may then do.
import { z } from 'zod'
import { Name } from './name.ts'

/** What a token of people and their programs may do, from least to most. */
export const TokenRole = z.enum(['viewer', 'allocator', 'operator', 'admin'])
export type TokenRole = z.infer<typeof TokenRole>

/** The callers that the settings name: their tokens stand in no record. */
const ofSettings = ['admin', 'runner', 'scraper']

export const TokenName = Name.refine(
  (name) => !ofSettings.includes(name),
  'is the name of a token of the settings',
)

/** `lobby-*`: the name of a fleet, where a star stands for any characters. */
export const FleetPattern = z
  .string()
  .regex(
    /^[a-z0-9*]([a-z0-9*-]{0,61}[a-z0-9*])?$/,
    'must be a fleet name, in which "*" stands for any characters',
  )

/**
 * Whether the name is of the pattern, in which a star stands for any characters, or for none. Not as a regular
 * expression: with many stars that could take for ever.
 */
export function fits(pattern: string, name: string): boolean {
  let at = 0
  let star = -1
  let from = 0
  for (let i = 0; i < name.length; ) {
    if (pattern[at] === '*') {
      star = at++
      from = i
    } else if (pattern[at] === name[i]) {
      at++
      i++
    } else if (star >= 0) {
      // The last star takes one character more; earlier ones never have to.
      at = star + 1
      i = ++from
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}

/**
 * Whether the patterns name the fleet.
 * @param patterns null: all fleets, and what is in none.
 * @param fleet null: what belongs to no fleet, which no pattern names.
 */
export function covers(patterns: readonly string[] | null, fleet: string | null): boolean {
  return patterns === null || (fleet !== null && patterns.some((pattern) => fits(pattern, fleet)))
}

export const Rate = z.strictObject({
  perSecond: z
    .number()
    .min(0.1)
    .max(100_000)
    .describe('Requests a second, in the long run, at each ApiServer'),
  burst: z.int().min(1).max(100_000).describe('Requests that may come at once'),
})
export type Rate = z.infer<typeof Rate>

export const Quota = z.strictObject({
  ships: z
    .int()
    .min(0)
    .max(1_000_000)
    .nullable()
    .default(null)
    .describe('Ships that have not ended; null: no limit'),
  cpuMillis: z
    .int()
    .min(0)
    .nullable()
    .default(null)
    .describe('CPU that they ask for together; null: no limit'),
  memoryMiB: z
    .int()
    .min(0)
    .nullable()
    .default(null)
    .describe('Memory that they ask for together; null: no limit'),
})
/** A quota that bounds nothing would be taken for one that does. */
export function bounds({ ships, cpuMillis, memoryMiB }: z.infer<typeof Quota>): boolean {
  return [ships, cpuMillis, memoryMiB].some((limit) => limit !== null)
}

export const noBounds = 'bounds nothing: give ships, cpuMillis or memoryMiB'

/** An upper bound on what may be asked for at the same time. */
export type Quota = z.infer<typeof Quota>

export const Token = z.strictObject({
  name: Name,
  role: TokenRole,
  fleets: z
    .array(FleetPattern)
    .min(1)
    .max(32)
    .nullable()
    .describe('Only fleets of these names and their ships; null: everything'),
  expiresAt: z.iso.datetime().nullable().describe('null: never'),
  rate: Rate.nullable().describe('null: no limit'),
  quota: Quota.nullable().describe('For ships made with this token; null: no limit'),
  createdAt: z.iso.datetime(),
})
/** A token without its secret. */
export type Token = z.infer<typeof Token>

export const TokenView = Token.extend({
  oldSecretUntil: z.iso
    .datetime()
    .nullable()
    .describe('Until then secrets of before a rotation are good as well'),
}).meta({ id: 'Token' })
/** A token as the API shows it. */
export type TokenView = z.infer<typeof TokenView>

const tenYearsSeconds = 315_360_000

export const TokenRequest = z
  .strictObject({
    name: TokenName,
    role: Token.shape.role,
    fleets: Token.shape.fleets.default(null),
    ttlSeconds: z.int().min(1).max(tenYearsSeconds).optional().describe('Good for so long from now'),
    expiresAt: z.iso.datetime().optional().describe('Good until then; without it and `ttlSeconds`: for ever'),
    rate: Token.shape.rate.default(null),
    quota: Token.shape.quota.refine((quota) => quota === null || bounds(quota), noBounds).default(null),
  })
  .refine((request) => request.ttlSeconds === undefined || request.expiresAt === undefined, {
    message: 'send ttlSeconds or expiresAt, not both',
    path: ['expiresAt'],
  })
export type TokenRequest = z.input<typeof TokenRequest>
