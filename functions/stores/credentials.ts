// The secrets that callers show: `armada-host.{id}.{secret}` and `armada-token.{name}.{secret}`. Only digests are kept.
//
// INVARIANTS of a host's credential
// - The current one is good until the next one is first used; a while longer for what is on its way then.
// - So whoever was given the next one and lost it goes on with the current one, and may ask again.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Host } from '../../shared/model/host.ts'
import { namePattern } from '../../shared/model/name.ts'
import type { Token } from '../../shared/model/token.ts'

type Kind = 'armada-host' | 'armada-token'

/** A secret that is no longer the current one, and until when it is good all the same. */
interface Older {
  digest: string
  until: string
}

/** The record in etcd. */
export interface TokenRecord {
  token: Token
  digest: string
  older: Older[]
}

/** What somebody shows, taken apart. */
export interface Shown {
  /** Of the record that would know it. */
  name: string
  digest: string
}

export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

export function shownAs(kind: Kind, name: string, secret: string): string {
  return `${kind}.${name}.${secret}`
}

export interface KnownHost {
  host: string
  /** The digest that the record calls the next one, when it is this credential's. */
  next: string | undefined
}

/** The host whose credential it is, by the record of that name; undefined when it is nobody's. */
export function hostOf(shown: Shown, host: Host | undefined): KnownHost | undefined {
  const { credentialDigest, nextDigest, previous } = host ?? {}
  const isCurrent = isOneOf(shown.digest, [credentialDigest])
  const isNext = isOneOf(shown.digest, [nextDigest])
  const wasCurrent = isOneOf(shown.digest, [previous && stillGood(previous)])
  if (!isCurrent && !isNext && !wasCurrent) return undefined
  return { host: shown.name, next: isNext ? shown.digest : undefined }
}

/** The token that it is, by the record of that name; undefined when it is none, or has expired. */
export function tokenOf(shown: Shown, record: TokenRecord | undefined): Token | undefined {
  const same = isOneOf(shown.digest, [record?.digest, ...(record?.older ?? []).map(stillGood)])
  return record && same && !isExpired(record.token) ? record.token : undefined
}

function isExpired({ expiresAt }: Pick<Token, 'expiresAt'>): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= Date.now()
}

export function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** The digest of an older secret while it is good. */
export function stillGood({ digest, until }: Older): string | undefined {
  return Date.parse(until) > Date.now() ? digest : undefined
}

/** @returns undefined when the text is not of that kind. */
export function shownIn(kind: Kind, text: string): Shown | undefined {
  const [found, name, secret, ...more] = text.split('.')
  if (found !== kind || !name || !secret || more.length > 0 || !namePattern.test(name)) return undefined
  return { name, digest: digest(secret) }
}

/** What no secret has. Compared in place of a digest that is missing, so that a name that is unknown takes as long. */
const nothing = '0'.repeat(64)

function isOneOf(sent: string, known: readonly (string | undefined)[]): boolean {
  let same = false
  for (const one of known) if (timingSafeEqual(Buffer.from(one ?? nothing), Buffer.from(sent))) same = true
  return same
}
