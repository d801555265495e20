// How a ship is asked to end, and what becomes of it when it or its host fails: `lifecycle` of a blueprint.
import { z } from 'zod'
import { StopSignal } from './container.ts'

const Restart = z
  .strictObject({
    policy: z
      .enum(['never', 'elsewhere', 'inPlace'])
      .default('never')
      .describe(
        'never: it is Failed, and its fleet makes a new one; elsewhere: queued again, on another host if there is one; inPlace: on the same host as long as that takes it',
      ),
    most: z
      .int()
      .min(1)
      .max(1_000)
      .default(5)
      .describe('Crashes in a row that make it Failed; one that was well for 10 min begins anew'),
  })
  .describe(
    'What becomes of a ship that crashes after it was Ready: one that ends by itself with another code than 0',
  )
export type Restart = z.infer<typeof Restart>

const Unhealthy = z
  .strictObject({
    policy: z
      .enum(['endIdle', 'end', 'wait'])
      .default('endIdle')
      .describe(
        'endIdle: it is ended unless somebody has it, whose players may still be there; end: also then; wait: until it is well again',
      ),
    afterMs: z
      .int()
      .min(1_000)
      .max(86_400_000)
      .default(60_000)
      .describe('How long it may be Unhealthy without a break'),
  })
  .describe(
    'What becomes of a ship that stays Unhealthy: that it had to be ended counts as a crash. A fleet makes another one, and gives up a tenth of its ships at a time; of one that stands alone `restart` decides. Default: {"policy": "endIdle", "afterMs": 60000}',
  )

/** Of a blueprint that says nothing of it. */
export const usualUnhealthy = Unhealthy.parse({})

export const Lifecycle = z.strictObject({
  graceMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(10_000)
    .describe('Between the request to end (SIGTERM, or as stopSignal and stopCommand say) and SIGKILL'),
  stopSignal: StopSignal.optional().describe("How it is asked to end; the image's own way if left out"),
  stopCommand: z
    .string()
    .min(1)
    .max(1_024)
    // No regex: its flag would stand in the pattern of the API's document.
    .refine((line) => !/\p{Cc}/u.test(line), 'must be one line')
    .optional()
    .describe(
      'Written to its console in place of a signal, for games that save the world then; the signal follows after half of graceMs',
    ),
  startAttempts: z
    .int()
    .min(1)
    .max(100)
    .default(5)
    .describe('Starts that may fail, each on another host if there is one, before the ship is Failed'),
  afterUse: z
    .enum(['ready', 'stop'])
    .optional()
    .describe(
      'What becomes of a ship whose last allocation is given back: it is ready for the next session (default), or stops',
    ),
  maxAgeMs: z
    .int()
    .min(1_000)
    .max(31_536_000_000)
    .optional()
    .describe(
      'A ship that has been there for so long since it was first Ready is ended when it is Ready, never while it is Reserved or Allocated; of a fleet a tenth at a time. Default: no limit',
    ),
  restart: Restart.prefault({}),
  unhealthy: Unhealthy.optional(),
  hostLost: z
    .strictObject({
      policy: z
        .enum(['replace', 'wait', 'fail'])
        .default('replace')
        .describe('replace: start it elsewhere; wait: until the host is back; fail: give up'),
      afterMs: z
        .int()
        .min(2_000)
        .max(86_400_000)
        .default(30_000)
        .describe('A silent host is lost after this'),
    })
    .prefault({}),
})
