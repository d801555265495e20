// Where a request comes from: the other end of the connection, or what the proxies before it say.
import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import ipaddr from 'ipaddr.js'

/** @returns undefined where there is no connection. */
export function clientAddress(c: Context): string | undefined {
  return c.get('address') as string | undefined
}

/**
 * @param hops how many proxies of our own stand before this server. Each adds the address that it was called from
 * at the right end of `X-Forwarded-For`, so that of all entries only the last `hops` can be believed.
 */
export function findAddress(incoming: IncomingMessage | undefined, hops: number): string | undefined {
  const forwarded =
    hops > 0
      ? String(incoming?.headers['x-forwarded-for'] ?? '')
          .split(',')
          .at(-hops)
      : undefined
  return plain(forwarded) ?? incoming?.socket?.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '')
}

/** Without a port, and IPv4 as IPv4; undefined when it is no address. */
function plain(text: string | undefined): string | undefined {
  const found = /^\s*(?:\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+)(?::\d+)?|(\S+))\s*$/.exec(text ?? '')
  const address = found?.[1] ?? found?.[2] ?? found?.[3]
  return address && ipaddr.isValid(address) ? ipaddr.process(address).toString() : undefined
}
