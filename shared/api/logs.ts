// Routes of a ship's output and console.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Name } from '../model/name.ts'
import { Stamp, stampOf } from '../model/session.ts'
import { IdempotencyKey } from './fields.ts'
import { answer, body, failures, operators, readers } from './route.ts'

const tags = ['ships']
const params = z.object({ ship: Name })
const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true')

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90s`, `10m`, `2h`, `1d` or a time with an offset, as the stamp it means now. */
const Since = z
  .string()
  .max(40)
  .transform((text, context) => {
    const [, amount = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
    if (amount) return stampOf(Math.max(0, Date.now() - Number(amount) * (unitMs[unit] ?? 0)))
    const fraction = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text)
    const epochMs = Date.parse(text)
    if (fraction && epochMs >= 0) {
      const digits = (fraction[1] ?? '').padEnd(9, '0')
      return `${new Date(epochMs).toISOString().slice(0, 20)}${digits}Z`
    }
    context.addIssue({
      code: 'custom',
      message: 'must be a time such as 2026-11-02T18:04:06Z, or an age such as 90s, 10m, 2h, 1d',
    })
    return z.NEVER
  })

/** Where a reader has got to: `{attempt}/{stamp}`. */
export const LogPosition = z
  .string()
  .max(64)
  .transform((text, context) => {
    const [attempt = '', stamp] = text.split('/')
    if (/^[1-9]\d{0,8}$/.test(attempt) && Stamp.safeParse(stamp).success)
      return { attempt: Number(attempt), at: stamp as string }
    context.addIssue({ code: 'custom', message: 'must be the id of an event of this stream' })
    return z.NEVER
  })

export const getLogs = createRoute({
  method: 'get',
  path: '/v1/ships/{ship}/logs',
  tags,
  'x-roles': readers,
  'x-scope': 'fleet',
  summary: 'What a ship prints',
  description: `Plain text, a line each; with \`Accept: text/event-stream\` server-sent events:
\`line\` ({at, stream, text}; its id is the place to resume at), \`skipped\` ({lines, more}: they came faster than
they could be passed on; \`more\`: and others that nobody counted), \`attempt\` ({attempt, host}: the lines that
follow are of this attempt), \`waiting\` ({reason}), \`ping\`, and \`end\` ({state, reason}) as the last.

With \`follow\` it goes on, also over restarts of the host's agent and of the ship, until the ship has ended. What is
not a ship's line stands between \`---\` in the text. Of a ship that has ended the last 20 lines are kept.`,
  request: {
    params,
    headers: z.object({
      accept: z.string().max(1_000).optional(),
      'last-event-id': LogPosition.optional().describe(
        'Goes on after that line; `tail` and `since` are ignored',
      ),
    }),
    query: z.object({
      tail: z.coerce
        .number()
        .int()
        .min(0)
        .max(100_000)
        .optional()
        .describe('Begin with so many of the last lines. Default: 100, or all of them when `since` is given'),
      since: Since.optional().describe('Only lines since a time, or of the last `90s`, `10m`, `2h`, `1d`'),
      follow: flag.describe('Go on with what it prints from now on'),
      timestamps: flag.describe('Begin each line of text with its time'),
    }),
  },
  responses: {
    200: {
      description: 'The lines, oldest first',
      content: { 'text/plain': { schema: z.string() }, 'text/event-stream': { schema: z.string() } },
    },
    ...failures('not_found', 'conflict', 'too_many_streams'),
  },
})

export const ConsoleLine = z.strictObject({
  line: z
    .string()
    .min(1)
    .max(2_000)
    // No regex: its flag would stand in the pattern of the API's document.
    .refine((line) => !/\p{Cc}/u.test(line), 'must be one line without control characters')
    .describe('One line; the line end is added'),
})

export const writeConsole = createRoute({
  method: 'post',
  path: '/v1/ships/{ship}/console',
  tags,
  'x-roles': operators,
  'x-scope': 'fleet',
  summary: "Write a line to a ship's console",
  description:
    'Answered once the game has the line on its standard input; what it says to it is in the logs. Only for ships whose blueprint says `console: stdin`. After a 503 it may be unknown whether it was written: with the same Idempotency-Key it is not written a second time while the agent of its host lives.',
  request: {
    params,
    headers: z.object({ 'idempotency-key': IdempotencyKey.optional() }),
    body: body(ConsoleLine, { line: 'say The server restarts in 5 minutes' }),
  },
  responses: {
    200: answer(
      z.strictObject({ ship: Name, attempt: z.int(), host: Name }).describe('Who has it'),
      'Written',
      { ship: 'arena-d87jtxqw', attempt: 1, host: 'fra-07' },
    ),
    ...failures('not_found', 'conflict', 'too_many_streams', 'key_reused'),
  },
})
