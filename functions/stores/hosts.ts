// The store of hosts: who may be an agent, and how it described itself.
import { randomBytes } from 'node:crypto'
import type { Host, HostDescription } from '../../shared/model/host.ts'
import { digest, newSecret, shownAs } from './credentials.ts'
import type { Kv } from './etcd/kv.ts'
import { changeRow, readRow } from './etcd/rows.ts'
import { etcdKeys } from './keys.ts'
import type { Mirror } from './mirror/mirror.ts'
import { type Row, Table } from './mirror/table.ts'

interface JoinToken {
  host: string
  expiresAt: string
}

/** How long a credential is good after its successor was first used: for requests that are on their way then. */
const graceMs = 60_000

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
    const secret = newSecret()
    const key = etcdKeys.hosts + host
    for (;;) {
      const before = await this.read(host)
      const record: Host = {
        ...description,
        joinedAt: new Date().toISOString(),
        credentialDigest: digest(secret),
        // What people ordered of this host stands, also when its agent is made anew.
        ...(before?.value.orders && { orders: before.value.orders }),
      }
      const written = await this.#kv.commit(
        [
          { key: tokenKey, revision: found.revision },
          { key, revision: before?.revision ?? 0 },
        ],
        [{ delete: tokenKey }, { put: key, value: JSON.stringify(record) }],
      )
      if (written !== undefined) {
        await this.#mirror().reach(written)
        return shownAs('armada-host', host, secret)
      }
      if ((await this.#kv.get(tokenKey))?.revision !== found.revision) return undefined
    }
  }

  /**
   * Makes the host's next credential, in place of one that was made and never used.
   * @returns undefined when there is no such host.
   */
  async nextCredential(id: string): Promise<string | undefined> {
    const secret = newSecret()
    const row = await this.change(id, ({ value }) => ({ ...value, nextDigest: digest(secret) }))
    return row && shownAs('armada-host', id, secret)
  }

  /** The next credential was used: it is the current one from now on. */
  async promote(id: string, next: string): Promise<void> {
    await this.change(id, ({ value }) => {
      const { nextDigest, ...rest } = value
      if (nextDigest !== next) return value
      const until = new Date(Date.now() + graceMs).toISOString()
      return { ...rest, credentialDigest: next, previous: { digest: value.credentialDigest, until } }
    })
  }

  /** Records how a host describes itself now. */
  async describe(description: HostDescription): Promise<void> {
    const row = this.table.get(description.id)
    // An older agent does not say what it cannot do.
    const next = (host: Host): Host => ({ ...host, resizes: undefined, ...description })
    const same = row && JSON.stringify(next(row.value)) === JSON.stringify(row.value)
    if (!same) await this.change(description.id, ({ value }) => next(value))
  }

  /**
   * Changes a record as `next` says, which is asked again when the record has changed meanwhile.
   * @returns the record as it is then; undefined when there is none.
   */
  async change(id: string, next: (row: Row<Host>) => Host): Promise<Row<Host> | undefined> {
    const row = await changeRow(this.#kv, etcdKeys.hosts + id, next)
    if (row) await this.#mirror().reach(row.revision)
    return row
  }

  /** Deletes the record, and with it the credential. */
  async remove(id: string): Promise<void> {
    const written = await this.#kv.commit([], [{ delete: etcdKeys.hosts + id }])
    if (written !== undefined) await this.#mirror().reach(written)
  }

  /** As etcd has it now. */
  async read(id: string): Promise<Row<Host> | undefined> {
    return readRow(this.#kv, etcdKeys.hosts + id)
  }
}
