// Limits on how often a token may be used, and on how often a client may try wrong ones. Each ApiServer counts for
// itself.

import type { Context, MiddlewareHandler } from 'hono'
import ipaddr from 'ipaddr.js'
import { ArmadaError } from '../../shared/errors.ts'
import type { Rate } from '../../shared/model/token.ts'
import type { Env } from './authenticate.ts'
import { Buckets } from './bucket.ts'
import { clientAddress } from './clientAddress.ts'

/** @param failedPerMinute wrong tokens that one address may send in a minute; 0: any number. */
export function limitRates(failedPerMinute: number): MiddlewareHandler<Env> {
  const tokens = new Buckets()
  const failures = new Buckets()
  const failureRate: Rate = { perSecond: failedPerMinute / 60, burst: Math.max(1, failedPerMinute) }

  return (c, next) => {
    const caller = c.get('caller')
    const token = caller?.token
    if (token?.rate) {
      const waitMs = tokens.take(token.name, token.rate)
      if (waitMs > 0) throw tooMany(token.name, token.rate, waitMs)
    }
    return caller || failedPerMinute === 0 ? next() : limitFailures(c, next)
  }

  /** A good token is let in whatever others try from the same address: it may be that of a proxy. */
  async function limitFailures(c: Context<Env>, next: () => Promise<void>): Promise<void> {
    const joins = c.req.path === '/v1/monitor/join'
    if (!joins && !c.req.header('authorization')) return next()
    const network = networkOf(clientAddress(c))
    const waitMs = joins ? failures.waitMs(network, failureRate) : failures.take(network, failureRate)
    if (waitMs > 0) throw tooManyFailures(waitMs)
    await next()
    if (joins && c.res.status === 403) failures.take(network, failureRate)
  }
}

/** Of IPv6 the first half: the rest of an address is its owner's to choose. */
function networkOf(address: string | undefined): string {
  if (!address || !ipaddr.IPv6.isValid(address)) return address ?? 'unknown'
  return ipaddr.IPv6.parse(address).parts.slice(0, 4).join(':')
}

function tooMany(name: string, { perSecond, burst }: Rate, waitMs: number): ArmadaError {
  return new ArmadaError(
    'rate_limited',
    `Token "${name}" may send ${perSecond} requests a second to each ApiServer, and ${burst} at once. Send fewer, or have an admin raise its rate.`,
    { retryAfterSeconds: Math.ceil(waitMs / 1_000) },
  )
}

function tooManyFailures(waitMs: number): ArmadaError {
  return new ArmadaError(
    'rate_limited',
    'Too many wrong tokens came from this address. Send a valid one; a wrong one may be tried again later.',
    { retryAfterSeconds: Math.ceil(waitMs / 1_000) },
  )
}
