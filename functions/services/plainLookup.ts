// The request that proxies and clients of players send all the time, `GET /v1/ships/{ship}`, without the way through
// Hono: that way a lookup took 190 µs of CPU, this way 65 to 85.
//
// INVARIANTS
// - What is answered here Hono would answer in the same words: a test compares the two.
// - Only what is plain: a good token and a ship that memory knows, and memory that is not old. Whatever else there is,
//   such as a query, a limit or a refusal, goes through Hono.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { getShip } from '../../shared/api/ships.ts'
import type { Log } from '../../shared/log.ts'
import { readTrace } from '../../shared/trace.ts'
import { bearerOf, type Caller, type Callers } from '../middleware/callers.ts'
import { findAddress } from '../middleware/clientAddress.ts'
import type { TokenRates } from '../middleware/rates.ts'
import { type IdentifyOptions, RequestLog, requestIdOf } from '../middleware/request.ts'
import { seesFleet } from '../middleware/scope.ts'
import type { Stores } from '../stores/stores.ts'
import type { ShipTexts } from './shipTexts.ts'
import { isMeasured } from './views.ts'

const path = /^\/v1\/ships\/([a-z0-9-]+)$/
const route = '/v1/ships/:ship'
/** Hono's server reads any other more closely, and may refuse it. */
const plainHost = /^[a-z0-9._-]+(:([1-5]\d{3,4}|[6-9]\d{3}))?$/

/** What the long way looks at. */
const unusual = ['x-armada-min-revision', 'content-length', 'transfer-encoding']

/** Answers the request if it is one of those. */
export type PlainLookup = (incoming: IncomingMessage, outgoing: ServerResponse) => boolean

export interface PlainLookupOptions {
  callers: Callers
  rates: TokenRates
  texts: ShipTexts
  log: Log
  requests: IdentifyOptions
}

export function plainLookup(
  { ships, samples, mirror }: Pick<Stores, 'ships' | 'samples' | 'mirror'>,
  { callers, rates, texts, log, requests }: PlainLookupOptions,
): PlainLookup {
  const roles: ReadonlySet<string> = new Set(getShip['x-roles'])
  const told = new RequestLog(log, requests)

  return (incoming, outgoing) => {
    const { method, url = '', headers } = incoming
    const id = method === 'GET' ? path.exec(url)?.[1] : undefined
    const row = id === undefined ? undefined : ships.table.get(id)
    if (!row || mirror.staleMs !== null) return false
    if (unusual.some((name) => headers[name] !== undefined) || !plainHost.test(headers.host ?? ''))
      return false
    const caller = callerOf(incoming)
    if (!caller || !roles.has(caller.role) || !seesFleet(caller, row.value.fleet)) return false
    if (rates.take(caller) > 0) return false

    const startedAt = performance.now()
    told.began()
    const requestId = requestIdOf(headers['x-request-id'] as string | undefined)
    const text = texts.with(row, isMeasured(row.value) ? samples.textOf(row.value.id) : null)
    outgoing.writeHead(200, {
      'x-request-id': requestId,
      'cache-control': 'no-store',
      'x-armada-revision': String(mirror.revision),
      etag: `"${row.revision}"`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    })
    outgoing.end(text)
    const trace = readTrace(headers.traceparent as string | undefined)
    const address = findAddress(incoming, requests.proxyHops ?? 0)
    const ms = performance.now() - startedAt
    told.answered({ requestId, trace, address, caller, method: 'GET', route, path: url, status: 200, ms })
    return true
  }

  function callerOf({ headers, rawHeaders }: IncomingMessage): Caller | undefined {
    const token = bearerOf(headers.authorization)
    // Of several Node shows the first.
    const isOne = rawHeaders.findIndex(isAuthorization) === rawHeaders.findLastIndex(isAuthorization)
    return token !== undefined && isOne ? callers.known(token) : undefined
  }
}

function isAuthorization(text: string, index: number): boolean {
  return index % 2 === 0 && text.length === 13 && text.toLowerCase() === 'authorization'
}
