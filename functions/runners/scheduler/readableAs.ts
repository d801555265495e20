// What stands in a node of a host, or nothing when it cannot be read: one host's bad node stops no other host.
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'

/** Undefined for an empty node, and for one that is logged because it is no such value. */
export function readableAs<T>(
  schema: { parse(value: unknown): T },
  data: Buffer | undefined,
  node: { host: string; part: string },
  log: Log,
): T | undefined {
  if (!data?.length) return undefined
  try {
    return schema.parse(JSON.parse(data.toString()))
  } catch (error) {
    log.error({ ...node, error: messageOf(error) }, 'a node of a host cannot be read')
    return undefined
  }
}
