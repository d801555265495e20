// Trace ids of W3C Trace Context, so that what one request causes can be found in the logs of everyone it passes.
import { randomBytes } from 'node:crypto'

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
