// The native driver as far as Armada uses it, and how one is opened. The only file that imports the package.
//
// Install the package with `with_sock_cloexec=yes` in the environment. Built without it, every child process
// inherits the connection; when that breaks, the child keeps the dead socket registered with this process's
// event loop, which then spins and hears nothing on the next one (measured: 19 of 20 reconnections failed,
// half a core lost; with it none failed, 1 %).
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import Driver from 'zookeeper'

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

/** Opens one native object and lets it connect to one server; events arrive from then on. */
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
 * Each opening tries the next server. Names are resolved here, because the driver would stop the whole
 * process while it resolves them.
 */
export function openerOf(servers: string): OpenNative {
  const names = servers.replace(/\/.*$/, '').split(',')
  let next = Math.floor(Math.random() * names.length)
  return async (credentials, sessionTimeoutMs, listener) => {
    const address = await addressOf(names[next++ % names.length] as string)
    const driver = new Driver({
      connect: address + chrootOf(servers),
      timeout: sessionTimeoutMs,
      // The default closes the session when one reply arrives in more than 10 pieces.
      response_counter_limit: 2 ** 31 - 1,
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

async function addressOf(server: string): Promise<string> {
  const [, host = '', port = '2181'] = /^(.*?)(?::(\d+))?$/.exec(server.trim()) ?? []
  if (isIP(host)) return `${host}:${port}`
  const found = await lookup(host, { all: true })
  const choices = found.filter(({ family }) => family === 4)
  const choice = choices[Math.floor(Math.random() * choices.length)]
  return `${choice?.address ?? host}:${port}`
}
