// Where a request comes from: the address at the other end of the connection. Behind a proxy it is the proxy's.
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context } from 'hono'

/** @returns undefined where there is no connection. */
export function clientAddress(c: Context): string | undefined {
  if (!(c.env as { incoming?: unknown } | undefined)?.incoming) return undefined
  return getConnInfo(c).remote.address?.replace(/^::ffff:(?=\d+\.)/, '')
}
