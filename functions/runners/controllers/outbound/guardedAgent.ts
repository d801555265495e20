// Connections to addresses that somebody else chose: they lead only where the guard lets them.
//
// INVARIANTS
// - A name is resolved once for a connection, every address it leads to is checked, and the connection goes to one
//   of those: what DNS says a moment later does not count. A connection that is kept is one that was checked.
// - Redirects are not followed, and proxies of the environment are not used.
import { lookup as resolveName } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import { Agent, buildConnector } from 'undici'
import type { AddressGuard } from '../../../../shared/addressGuard.ts'

export type Resolve = (host: string) => Promise<{ address: string; family: number }[]>

export interface GuardedAgentOptions {
  guard: AddressGuard
  connectMs?: number | undefined
  resolve?: Resolve | undefined
}

/** Of one origin. */
const connections = 8

export function guardedAgent({ guard, connectMs = 5_000, resolve = resolveAll }: GuardedAgentOptions): Agent {
  const resolving = new Map<string, ReturnType<Resolve>>()
  const connector = (protocol: string) =>
    buildConnector({ timeout: connectMs, lookup: lookup((host) => checked(host, protocol)) })
  const [secure, plain] = [connector('https:'), connector('http:')]
  return new Agent({
    connections,
    connect: (options, done) => (options.protocol === 'https:' ? secure : plain)(options, done),
  })

  async function checked(host: string, protocol: string): ReturnType<Resolve> {
    // Once at a time for a name: each question to a DNS that is silent holds one of libuv's four threads.
    const asked = resolving.get(host) ?? resolve(host)
    resolving.set(host, asked)
    const addresses = await asked.finally(() => resolving.delete(host))
    if (addresses.length === 0) throw new Error(`${host} has no address`)
    for (const { address } of addresses) {
      const refusal = guard.refusal(address, protocol)
      if (refusal) throw new Error(`refused: ${host} leads to ${refusal}`)
    }
    return addresses
  }
}

function resolveAll(host: string): ReturnType<Resolve> {
  return resolveName(host, { all: true })
}

function lookup(addressesOf: Resolve): LookupFunction {
  return (host, options, done) => {
    addressesOf(host).then(
      (addresses) => {
        const first = addresses[0] as { address: string; family: number }
        if (options.all) done(null, addresses)
        else done(null, first.address, first.family)
      },
      (error) => done(error, '', 0),
    )
  }
}
