// Question: what the ApiServer asks the leading scheduler, who knows what is left of every host, and its answer.
// Nothing is placed by asking.
import { z } from 'zod'
import { Explanation } from './explanation.ts'
import { Name } from './name.ts'
import { Demand } from './ticket.ts'

/** Ships whose places are looked for at most, those asked for and those beyond together. */
export const mostSimulated = 5_000
/** Hosts of which it is asked whether they could be emptied, and the ships on them. */
export const mostEmptied = 50
export const mostMoved = 1_000

export const Question = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('place'),
    demand: Demand,
    count: z.int().min(1).max(mostSimulated),
  }),
  z.strictObject({
    kind: z.literal('empty'),
    demands: z.array(Demand).max(mostMoved),
    hosts: z
      .array(z.strictObject({ host: Name, ships: z.array(z.tuple([Name, z.int().min(0)])) }))
      .max(mostEmptied)
      .describe('In the order in which to try; each ship with the place of its demand in `demands`'),
  }),
])
export type Question = z.infer<typeof Question>
export type PlaceQuestion = Extract<Question, { kind: 'place' }>
export type EmptyQuestion = Extract<Question, { kind: 'empty' }>

export const PlaceReply = z.strictObject({
  kind: z.literal('place'),
  hosts: z.array(z.strictObject({ host: Name, ships: z.int().min(1) })).max(mostSimulated),
  more: z.int().min(0),
  reason: z.string().max(1_000).nullable(),
  why: Explanation.nullable(),
})
export const EmptyReply = z.strictObject({
  kind: z.literal('empty'),
  hosts: z
    .array(
      z.strictObject({
        host: Name,
        moves: z
          .array(z.strictObject({ ship: Name, to: Name }))
          .max(mostMoved)
          .nullable(),
        reason: z.string().max(1_100).nullable(),
      }),
    )
    .max(mostEmptied),
})
export const Reply = z.discriminatedUnion('kind', [PlaceReply, EmptyReply])
export type Reply = z.infer<typeof Reply>
export type PlaceReply = z.infer<typeof PlaceReply>
export type EmptyReply = z.infer<typeof EmptyReply>
