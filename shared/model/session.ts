// Session: what one reader wants of a ship's output, or one line for its console, and how the host's agent answers.
//
// A session has no record anywhere: it exists while its reader's ApiServer listens for it, and when either end
// is lost the reader calls again with a new session, from the last line it has.
import { z } from 'zod'
import { Name } from './name.ts'

export const SessionId = z.string().regex(/^[\w-]{43}$/, 'is not a session')

/** As Docker stamps lines: nine digits, so that the order of the texts is the order of the times. */
export const Stamp = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/, 'must be a time with nine digits after the point')
  .describe('When the host heard it, to the nanosecond, by its own clock')

/** Longer lines are cut. */
export const mostLineCharacters = 16_384

export const LogLine = z
  .strictObject({
    at: Stamp,
    stream: z.enum(['stdout', 'stderr']),
    text: z
      .string()
      .max(mostLineCharacters + 1)
      .describe('As printed, without the line end; cut after 16,384 characters'),
  })
  .meta({ id: 'LogLine' })
export type LogLine = z.infer<typeof LogLine>

const about = { session: SessionId, ship: Name, attempt: z.int().min(1) }

export const SessionCall = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('log'),
    ...about,
    tail: z.int().min(0).nullable().describe('Only so many of the last lines; null: all'),
    since: Stamp.nullable().describe('Only lines of then and later'),
    follow: z.boolean(),
  }),
  z.strictObject({ kind: z.literal('console'), ...about }).describe('Ask for its line, then write it'),
])
export type SessionCall = z.infer<typeof SessionCall>
export type LogCall = Extract<SessionCall, { kind: 'log' }>

export const SessionEnd = z.strictObject({
  why: z
    .enum(['complete', 'absent', 'busy', 'written', 'refused'])
    .describe(
      'complete: no more lines will come; absent: this attempt has no container here (yet, or any more); busy: too many sessions; written: the game has the line; refused: it does not',
    ),
  detail: z.string().max(1_000),
})
export type SessionEnd = z.infer<typeof SessionEnd>

/** Text and overhead that one chunk may carry; an agent keeps one under way and one being filled, per session. */
export const chunkBytes = 65_536
/** Chunks that may be under way to a reader who has not taken them yet. */
export const windowChunks = 4
/** An agent with nothing to send says so this often. */
export const keepAliveMs = 2_000

export const Chunk = z.strictObject({
  seq: z.int().min(0).describe('0, 1, 2 …; an empty chunk has the number that the next full one will have'),
  skipped: z.int().min(0).describe('Lines left out before these'),
  more: z.boolean().describe('And others, which nobody counted'),
  lines: z.array(LogLine).max(2_000),
  ended: SessionEnd.nullable(),
})
export type Chunk = z.infer<typeof Chunk>

/** It only says that the agent is there. */
export function isEmpty({ skipped, more, lines, ended }: Chunk): boolean {
  return lines.length === 0 && skipped === 0 && !more && ended === null
}

export const ChunkAnswer = z.strictObject({
  taken: z
    .int()
    .nullable()
    .describe('Chunks that the reader has taken: no more than 4 may be under way beyond; null: unknown'),
  line: z.string().nullable().describe('Of a console session, once: the line to write'),
})
export type ChunkAnswer = z.infer<typeof ChunkAnswer>

/** The time as a Stamp. */
export function stampOf(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, -1)}000000Z`
}
