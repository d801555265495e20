// The credentials of hosts: `armada-host.{id}.{secret}`. Only a digest of the secret is kept.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Host } from '../../shared/model/host.ts'
import { namePattern } from '../../shared/model/name.ts'
import type { Row } from './table.ts'

export function credentialOf(host: string, secret: string): string {
  return `armada-host.${host}.${secret}`
}

/** The host a credential belongs to; undefined when it is nobody's. */
export async function hostOf(
  credential: string,
  read: (id: string) => Promise<Row<Host> | undefined>,
): Promise<string | undefined> {
  const [kind, id, secret] = credential.split('.')
  if (kind !== 'armada-host' || !id || !secret || !namePattern.test(id)) return undefined
  const row = await read(id)
  if (!row) return undefined
  const same = timingSafeEqual(Buffer.from(row.value.credentialDigest), Buffer.from(digest(secret)))
  return same ? id : undefined
}

export function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
