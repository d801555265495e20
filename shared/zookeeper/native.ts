// The native driver as far as Armada uses it: what the untyped object really offers.

export type WatchEvent = 'created' | 'deleted' | 'changed' | 'child'

export interface Stat {
  /** Number of the change that created the node; rises over the whole ensemble. */
  czxid: number
  mzxid: number
  pzxid: number
  version: number
  cversion: number
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

type Answer<A extends unknown[]> = (returnCode: number, message: string, ...answer: A) => void

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
  a_set_acl(
    path: string,
    version: number,
    acl: { perm: number; scheme: string; auth: string }[],
    answer: Answer<[]>,
  ): number
  a_sync(path: string, answer: Answer<[]>): number
  add_auth(scheme: string, auth: string, answer: Answer<[]>): number
  close(): void
}

/** Opens one native object and lets it connect; events arrive from then on. */
export type OpenNative = (
  credentials: Credentials | undefined,
  sessionTimeoutMs: number,
  listener: (event: string, argument: unknown) => void,
) => Promise<Native>
