// The store of tokens: records in etcd that hold digests of their secrets, and never a secret.
import { sleep } from '../../shared/loop.ts'
import type { Token } from '../../shared/model/token.ts'
import { digest, newSecret, shownAs, stillGood, type TokenRecord } from './credentials.ts'
import type { Kv } from './etcd/kv.ts'
import { changeRow, readRow } from './etcd/rows.ts'
import { etcdKeys } from './keys.ts'
import type { Mirror } from './mirror/mirror.ts'
import { type Row, Table } from './mirror/table.ts'

/** Secrets of before a rotation that are good for a while; further ones push the oldest out. */
const mostOlder = 4

export class TokenStore {
  readonly table = new Table<TokenRecord>(etcdKeys.tokens)
  #kv: Kv
  #mirror: () => Mirror

  constructor(kv: Kv, mirror: () => Mirror) {
    this.#kv = kv
    this.#mirror = mirror
  }

  /** @returns the text of the new token, which is kept nowhere; undefined when there is one of that name. */
  async create(token: Token): Promise<string | undefined> {
    const secret = newSecret()
    const key = etcdKeys.tokens + token.name
    const written = await this.#kv.commit(
      [{ key, revision: 0 }],
      [{ put: key, value: textOf(token, secret) }],
    )
    if (written === undefined) return undefined
    await this.#mirror().reach(written)
    return shownAs('armada-token', token.name, secret)
  }

  /**
   * Makes the first admin's token of a cluster: once, whichever ApiServer is first, and not where an admin has a
   * token already. Tries until the signal fires.
   * @returns its text; undefined when it was made before.
   */
  async createFirst(name: string, signal: AbortSignal): Promise<string | undefined> {
    const limits = { fleets: null, expiresAt: null, rate: null, quota: null }
    const token: Token = { name, role: 'admin', ...limits, createdAt: new Date().toISOString() }
    const secret = newSecret()
    const once = etcdKeys.firstToken
    const key = etcdKeys.tokens + name
    while (!signal.aborted) {
      try {
        const made = await this.#kv.get(once)
        // Ours, when the answer to an earlier try was lost.
        if (made) return made.value === digest(secret) ? shownAs('armada-token', name, secret) : undefined
        for (const [, { value }] of this.table.rows()) if (value.token.role === 'admin') return undefined
        const writes = [
          { put: once, value: digest(secret) },
          { put: key, value: textOf(token, secret) },
        ]
        const conditions = [once, key].map((one) => ({ key: one, revision: 0 }))
        if ((await this.#kv.commit(conditions, writes)) === undefined) return undefined
      } catch {
        await sleep(500, signal)
      }
    }
    return undefined
  }

  /**
   * Gives the token a new secret.
   * @param graceMs how long the old one is good as well.
   * @returns undefined when there is no such token.
   */
  async rotate(name: string, graceMs: number): Promise<{ row: Row<TokenRecord>; text: string } | undefined> {
    const secret = newSecret()
    const endMs = Date.now() + graceMs
    const row = await changeRow<TokenRecord>(this.#kv, etcdKeys.tokens + name, ({ value }) => {
      const older = [{ digest: value.digest, until: new Date(endMs).toISOString() }, ...value.older]
        .map((one) => ({ ...one, until: earlier(one.until, endMs) }))
        .filter((one) => stillGood(one))
      return { ...value, digest: digest(secret), older: older.slice(0, mostOlder) }
    })
    if (!row) return undefined
    await this.#mirror().reach(row.revision)
    return { row, text: shownAs('armada-token', name, secret) }
  }

  /** @returns whether there was one. */
  async remove(name: string): Promise<boolean> {
    const row = await this.read(name)
    if (!row) return false
    const written = await this.#kv.commit([], [{ delete: etcdKeys.tokens + name }])
    if (written !== undefined) await this.#mirror().reach(written)
    return true
  }

  /** As etcd has it now. */
  async read(name: string): Promise<Row<TokenRecord> | undefined> {
    return readRow(this.#kv, etcdKeys.tokens + name)
  }
}

function textOf(token: Token, secret: string): string {
  return JSON.stringify({ token, digest: digest(secret), older: [] } satisfies TokenRecord)
}

function earlier(until: string, endMs: number): string {
  return new Date(Math.min(Date.parse(until), endMs)).toISOString()
}
