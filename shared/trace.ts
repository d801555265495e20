// Trace ids of W3C Trace Context, so that what one request causes can be found in the logs of everyone it passes.
import { randomBytes } from 'node:crypto'

/** What may belong to a trace. */
export interface Traced {
  traceId?: string | undefined
}

export interface Trace {
  /** 32 hexadecimal digits. */
  id: string
  /** As the caller set them; Armada records no spans and decides nothing about sampling. */
  flags: string
}

/** Reads a `traceparent`; undefined when it is missing or malformed, which the standard treats alike. */
export function readTrace(header: string | undefined): Trace | undefined {
  const [, id, span, flags] =
    /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/.exec(header ?? '') ?? []
  if (!id || !span || !flags || /^0+$/.test(id) || /^0+$/.test(span)) return undefined
  return { id, flags }
}

export function newTrace(): Trace {
  return { id: randomBytes(16).toString('hex'), flags: '00' }
}

/** The header of a request that belongs to the trace. */
export function traceparentOf({ id, flags }: Trace): string {
  return `00-${id}-${randomBytes(8).toString('hex')}-${flags}`
}

/** The field of a record, report or log line that is about something of that trace; nothing when it has none. */
export function traced({ traceId }: Traced): { traceId?: string } {
  return traceId === undefined ? {} : { traceId }
}

/** In one line of the log. */
const mostTraces = 100

/** The traces of a batch's items, each of which may have one of its own. */
export function tracesOf(batch: Iterable<Traced>): string[] {
  const ids = new Set<string>()
  for (const { traceId } of batch) if (traceId !== undefined) ids.add(traceId)
  return [...ids].slice(0, mostTraces)
}

/** The field of a log line about a batch. */
export function tracesField(batch: Iterable<Traced>): { traceId?: string; traceIds?: string[] } {
  const traceIds = tracesOf(batch)
  return traceIds.length > 1 ? { traceIds } : traced({ traceId: traceIds[0] })
}

/** Headers of a call about a batch: it belongs to their trace, when all have the same one. */
export function traceHeaders(batch: readonly Traced[]): { traceparent?: string } {
  const id = batch[0]?.traceId
  const isOne = id !== undefined && batch.every(({ traceId }) => traceId === id)
  return isOne ? { traceparent: traceparentOf({ id, flags: '00' }) } : {}
}
