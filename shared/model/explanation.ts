// Explanation: why a ship stands where it stands, or why no host takes it, in numbers small enough for its record.
import { z } from 'zod'
import { ShipGang } from './gang.ts'
import { Name } from './name.ts'
import { ShipState } from './shipState.ts'

export const PlacementRule = z
  .enum([
    ...(['ports', 'pinned', 'label', 'zone', 'taint', 'closed', 'memory', 'cpu', 'disk', 'extra'] as const),
    ...(['port', 'mates', 'spread'] as const),
  ])
  .describe(
    'Why a host cannot take a ship. ports: two ports of the ship clash, or too few are free; port: a static one is taken; pinned: it is not the host; label, zone: the label is wrong or missing; closed: cordoned or degraded; mates: a ship of the fleet is on it; spread: its zone has too many; else what it has too little of',
  )
/** The rules of the scheduler by names that never change. */
export type PlacementRule = z.infer<typeof PlacementRule>

/** The parts that add up to a score; the host with the highest sum is chosen. */
export const Score = z.strictObject({
  strategy: z.int().describe('How well it fits `placement.strategy`, 0 to 100'),
  preferred: z.int().describe('The weights of `placement.prefer` that it matches'),
  apart: z
    .int()
    .describe('128 for each of 8 fleet mates that it does not carry, with antiAffinity preferred'),
})
export type Score = z.infer<typeof Score>

export const Explanation = z
  .strictObject({
    hosts: z.int().min(0).describe('Hosts that were looked at'),
    feasible: z.int().min(0).describe('Those that could have taken the ship'),
    ruledOut: z
      .partialRecord(PlacementRule, z.int().min(1))
      .describe('The others, by the first rule that ruled each out; the most common ones only'),
    score: Score.optional().describe('Of the host that was chosen'),
  })
  .meta({ id: 'Explanation' })
export type Explanation = z.infer<typeof Explanation>

/** Rules that a record names. */
export const rulesNamed = 6

export const ShipPlacement = z
  .strictObject({
    ship: Name,
    state: ShipState,
    attempt: z.int().min(1),
    failedStarts: z.int().min(0).describe('Starts that failed so far'),
    gang: ShipGang.optional().describe('The ships that it is placed with, all or none'),
    host: Name.nullable().describe('Where it was put; null while it waits for a host, or has none any more'),
    since: z.iso
      .datetime()
      .nullable()
      .describe('When the host was chosen; without a host, when it began to wait'),
    reason: z.string().nullable().describe('Why it is in its state, or why it cannot be placed yet'),
    refusals: z.int().min(0).describe('How often this attempt was told a new reason why no host can take it'),
    hosts: z
      .strictObject({
        all: z.int().min(0).describe('Hosts that were looked at; one when it is pinned'),
        feasible: z.int().min(0).describe('Those that could take it'),
        ruledOut: z
          .array(z.strictObject({ rule: PlacementRule, hosts: z.int().min(1) }))
          .describe('The others by the first rule that ruled each out, the most common first'),
      })
      .nullable()
      .describe('As they were when it was placed or last refused, up to 5 s old then; null: not known'),
    score: Score.nullable().describe('Of the host that was chosen'),
    summary: z.string().describe('All of this in one sentence'),
  })
  .meta({ id: 'ShipPlacement' })
/** What the API tells of it. */
export type ShipPlacement = z.infer<typeof ShipPlacement>
