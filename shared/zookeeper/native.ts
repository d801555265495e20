// The native driver as far as Armada uses it, and how one is opened. The only file that imports the package.
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import Driver from 'zookeeper'
import { ArmadaError } from '../errors.ts'

export type WatchEvent = 'created' | 'deleted' | 'changed' | 'child'

export interface Stat {
  /** Number of the change that created the node; rises over the whole ensemble. */
  czxid: number
  mzxid: number
  pzxid: number
  version: number
  cversion: number
  /** 0: nobody has set the node's ACL yet. */
  aversion: number
  numChildren: number
  dataLength: number
  /** Session id in hexadecimal; `0` for persistent nodes. */
  ephemeralOwner: string
  ctime: Date
  mtime: Date
}

export interface Credentials {
  client_id: string
  client_password: string
}

/** `state` of the native object. Idle: no attempt is under way, and the next may be seconds off. */
export const driverState = { connected: 3, idle: [0, 999] as readonly number[] }

export type Answer<A extends unknown[]> = (returnCode: number, message: string, ...answer: A) => void

/** Requests return 0, or at once a negative code when they were not sent. */
export interface Native extends Readonly<Credentials> {
  readonly state: number
  readonly timeout: number
  a_create(path: string, data: Buffer, flags: number, answer: Answer<[path: string]>): number
  a_get(path: string, watch: boolean, answer: Answer<[stat: Stat, data: Buffer | null]>): number
  a_set(path: string, data: Buffer, version: number, answer: Answer<[stat: Stat]>): number
  a_delete_(path: string, version: number, answer: Answer<[]>): number
  a_exists(path: string, watch: boolean, answer: Answer<[stat: Stat]>): number
  a_get_children(path: string, watch: boolean, answer: Answer<[names: string[]]>): number
  a_set_acl(path: string, version: number, acl: readonly Permission[], answer: Answer<[]>): number
  a_sync(path: string, answer: Answer<[]>): number
  add_auth(scheme: string, auth: string, answer: Answer<[]>): number
  close(): void
}

export interface Permission {
  perm: number
  scheme: string
  auth: string
}

/** Opens one native object and lets it connect; events arrive from then on. */
export type OpenNative = (
  credentials: Credentials | undefined,
  sessionTimeoutMs: number,
  listener: (event: string, argument: unknown) => void,
) => Promise<Native>

/** The `/chroot` at the end of a list of servers, or nothing. */
export function chrootOf(servers: string): string {
  const at = servers.indexOf('/')
  return at < 0 ? '' : servers.slice(at).replace(/\/+$/, '')
}

/**
 * Each opening begins with another server than the one before, so that one that hangs is left behind.
 * Names are resolved here, because the driver would stop the whole process while it resolves them.
 */
export function openerOf(servers: string): OpenNative {
  const chroot = chrootOf(servers)
  const names = servers.replace(/\/.*$/, '').split(',')
  let first = Math.floor(Math.random() * names.length)
  return async (credentials, sessionTimeoutMs, listener) => {
    first++
    const order = names.map((_, i) => names[(i + first) % names.length] as string)
    const addresses = (await Promise.all(order.map(resolve))).flat()
    if (addresses.length === 0)
      throw new ArmadaError('unavailable', `No ZooKeeper server of ${servers} has an address.`)
    const driver = new Driver({
      connect: addresses.join(',') + chroot,
      timeout: sessionTimeoutMs,
      // The default closes the session when one reply arrives in more than 10 pieces.
      response_counter_limit: 2 ** 31 - 1,
      host_order_deterministic: true,
      debug_level: 0,
      ...credentials,
    })
    for (const event of ['connect', 'connecting', 'close', 'created', 'deleted', 'changed', 'child']) {
      driver.on(event, (_native: unknown, argument: unknown) => listener(event, argument))
    }
    driver.init({})
    // Not the wrapper's own methods: they format their arguments for a log on every call (half the speed).
    return driver.native
  }
}

async function resolve(server: string): Promise<string[]> {
  const [, host = '', port = '2181'] = /^(.*?)(?::(\d+))?$/.exec(server.trim()) ?? []
  if (isIP(host)) return [`${host}:${port}`]
  const found = await lookup(host, { all: true }).catch(() => [])
  const byAddress = found.filter(({ family }) => family === 4).map(({ address }) => `${address}:${port}`)
  return byAddress.length > 0 || found.length === 0 ? byAddress : [`${host}:${port}`]
}
