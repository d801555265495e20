// Fields that several routes share.
import { z } from 'zod'

export const IdempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 printable characters without spaces')
  .describe('The same key with the same body gives the same answer; choose a new one for each intention')

export const Limit = z.coerce.number().int().min(1).max(1_000).default(100).describe('Most entries in a page')
export const Cursor = z
  .string()
  .max(128)
  .optional()
  .describe('`nextCursor` of the page before, with the same filters')

/** The part of a list's query that asks for one page. */
export const Paging = z.object({ limit: Limit, cursor: Cursor })
export type Paging = z.infer<typeof Paging>

export const NextCursor = z
  .string()
  .nullable()
  .describe('Pass it as `cursor` to get the next page; null on the last')

export const EventId = z
  .string()
  .regex(/^\d{1,15}(-\d{1,5})?$/, 'must be the id of an event or of a bookmark')

/** The part of a list's query that makes a stream of it. */
export const Watch = z.object({
  watch: z
    .stringbool({ truthy: ['true', '1', 'yes', 'on', 'y', 'enabled', ''] })
    .optional()
    .describe('Streams server-sent events instead of a page; `?watch` is enough'),
  lastEventId: EventId.optional().describe(
    'With `watch`: the id of the last event seen. The header `Last-Event-ID` goes before',
  ),
})

export const watchAbout =
  '`?watch=true` streams server-sent events: `put` with each record as the list shows it, then a `bookmark`, then `put` and `delete` (its name only) as they come; a record that matches no longer is deleted. Come back with the last id as `Last-Event-ID`, to any ApiServer: only what changed since is told, or, after a `reset`, everything anew.'

export const IfMatch = z.object({
  'if-match': z
    .string()
    .max(64)
    .optional()
    .describe('`revision` as it was read: refused when it has changed'),
})

/** A change of labels as a JSON merge patch: null takes a label away. */
export const LabelPatch = z
  .record(z.string().max(63), z.string().max(63).nullable())
  .describe('null takes a label away; those that are not named stay')
export type LabelPatch = z.infer<typeof LabelPatch>

export const Epoch = z
  .int()
  .min(1)
  .describe(
    'Number that `PUT /v1/offices/{office}` gave to the leader. Only that of the newest leader counts',
  )
