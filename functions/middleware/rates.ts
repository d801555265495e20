// Limits on how often a token may be used, and on how often a client may try wrong ones. Each ApiServer counts for
// itself.

import type { Context, MiddlewareHandler } from 'hono'
import ipaddr from 'ipaddr.js'
import { joinPath } from '../../shared/api/monitor.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { Rate, Token } from '../../shared/model/token.ts'
import type { Env } from './authenticate.ts'
import { Buckets } from './bucket.ts'
import type { Caller } from './callers.ts'
import { clientAddress } from './clientAddress.ts'

/** Counts the wrong tokens that each client address has sent. */
export class FailedLogins {
  readonly #buckets = new Buckets()
  readonly #rate: Rate | undefined

  /** @param perMinute that one address may send; 0: any number. */
  constructor(perMinute: number) {
    if (perMinute > 0) this.#rate = { perSecond: perMinute / 60, burst: perMinute }
  }

  count(c: Context<Env>): void {
    if (this.#rate) this.#buckets.take(networkOf(clientAddress(c)), this.#rate)
  }

  /**
   * To be asked before etcd is, so that a flood of tokens that nobody knows costs it nothing.
   * @throws ArmadaError rate_limited
   */
  assertMayTry = (c: Context<Env>): void => {
    const waitMs = this.#rate ? this.#buckets.waitMs(networkOf(clientAddress(c)), this.#rate) : 0
    if (waitMs > 0) throw tooManyFailures(waitMs)
  }
}

/** Counts how often tokens are used. */
export class TokenRates {
  readonly #buckets = new Buckets()

  /** @returns 0, or, when its token has been used too often, the ms until it may be used again. */
  take({ token }: Caller): number {
    return token?.rate ? this.#buckets.take(token.name, token.rate) : 0
  }
}

export function limitRates(logins: FailedLogins, rates = new TokenRates()): MiddlewareHandler<Env> {
  return (c, next) => {
    const caller = c.get('caller')
    const waitMs = caller ? rates.take(caller) : 0
    if (waitMs > 0) throw tooMany(caller.token as Token, waitMs)
    return caller ? next() : limitFailures(c, next)
  }

  /** A good token is let in whatever others try from the same address: it may be that of a proxy. */
  async function limitFailures(c: Context<Env>, next: () => Promise<void>): Promise<void> {
    const joins = c.req.path === joinPath
    if (!joins && !c.req.header('authorization')) return next()
    logins.assertMayTry(c)
    if (!joins) logins.count(c)
    await next()
    if (joins && c.res.status === 403) logins.count(c)
  }
}

/** Of IPv6 the first half: the rest of an address is its owner's to choose. */
function networkOf(address: string | undefined): string {
  if (!address || !ipaddr.IPv6.isValid(address)) return address ?? 'unknown'
  return ipaddr.IPv6.parse(address).parts.slice(0, 4).join(':')
}

function tooMany({ name, rate }: Token, waitMs: number): ArmadaError {
  const { perSecond, burst } = rate as Rate
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
