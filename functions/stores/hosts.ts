// The store of hosts: who may be an agent, and how it described itself.
import { randomBytes } from 'node:crypto'
import type { Host, HostDescription } from '../../shared/model/host.ts'
import { credentialOf, digest, hostOf } from './credentials.ts'
import { etcdKeys } from './keys.ts'
import type { Kv } from './kv.ts'
import type { Mirror } from './mirror.ts'
import { readRow } from './rows.ts'
import { type Row, Table } from './table.ts'

interface JoinToken {
  host: string
  expiresAt: string
}

export class HostStore {
  readonly table = new Table<Host>(etcdKeys.hosts)
  #kv: Kv
  #mirror: () => Mirror

  constructor(kv: Kv, mirror: () => Mirror) {
    this.#kv = kv
    this.#mirror = mirror
  }

  /** @returns the token, which is kept only as a digest. */
  async createJoinToken(host: string, ttlSeconds: number): Promise<{ token: string; expiresAt: string }> {
    const token = `armada-join-${randomBytes(24).toString('base64url')}`
    const expiresAt = new Date(Date.now() + ttlSeconds * 1_000).toISOString()
    const value = JSON.stringify({ host, expiresAt } satisfies JoinToken)
    await this.#kv.commit([], [{ put: etcdKeys.joinToken(digest(token)), value }])
    return { token, expiresAt }
  }

  /**
   * Uses up a join token: in one transaction the token goes and the host with its new credential comes.
   * @returns the credential, kept only as a digest; undefined when the token is unknown, used, expired or for another host.
   */
  async join(token: string, description: HostDescription): Promise<string | undefined> {
    const tokenKey = etcdKeys.joinToken(digest(token))
    const found = await this.#kv.get(tokenKey)
    if (!found) return undefined
    const { host, expiresAt }: JoinToken = JSON.parse(found.value)
    if (host !== description.id || Date.parse(expiresAt) < Date.now()) return undefined
    const secret = randomBytes(32).toString('base64url')
    const record: Host = {
      ...description,
      joinedAt: new Date().toISOString(),
      credentialDigest: digest(secret),
    }
    const written = await this.#kv.commit(
      [{ key: tokenKey, revision: found.revision }],
      [{ delete: tokenKey }, { put: etcdKeys.hosts + host, value: JSON.stringify(record) }],
    )
    if (written === undefined) return undefined
    await this.#mirror().reach(written)
    return credentialOf(host, secret)
  }

  /** The host a credential belongs to; undefined when it is nobody's. */
  async authenticate(credential: string): Promise<string | undefined> {
    return hostOf(credential, async (id) => this.table.get(id) ?? (await this.#read(id)))
  }

  /** Records how a host describes itself now. */
  async describe(description: HostDescription): Promise<void> {
    const row = this.table.get(description.id) ?? (await this.#read(description.id))
    if (!row) return
    const next: Host = { ...row.value, ...description }
    if (JSON.stringify(next) === JSON.stringify(row.value)) return
    const key = etcdKeys.hosts + description.id
    const written = await this.#kv.commit(
      [{ key, revision: row.revision }],
      [{ put: key, value: JSON.stringify(next) }],
    )
    if (written !== undefined) await this.#mirror().reach(written)
  }

  async #read(id: string): Promise<Row<Host> | undefined> {
    return readRow(this.#kv, etcdKeys.hosts + id)
  }
}
