// The W3C trace id that records, tickets, jobs and reports carry: all that one request caused has it in common.
import { z } from 'zod'

export const TraceId = z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 of 0-9 and a-f')
