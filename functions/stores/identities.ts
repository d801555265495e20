// Who is behind a token or a credential: told from memory, and by etcd what memory does not know yet.
//
// INVARIANTS
// - What is revoked, rotated or expired is refused as soon as the mirror shows it: nothing else is kept of it here.
// - While etcd is away, whoever the mirror knows is let in as before.
import { ArmadaError } from '../../shared/errors.ts'
import type { Token } from '../../shared/model/token.ts'
import { hostOf, type Shown, shownIn, tokenOf } from './credentials.ts'
import type { KvReader } from './etcd/kv.ts'
import { readRow } from './etcd/rows.ts'
import type { HostStore } from './hosts.ts'
import type { Row, Table } from './mirror/table.ts'
import type { TokenStore } from './tokens.ts'

/** Anybody can show secrets that memory does not know: etcd is asked about no more than so many at a time. */
const mostAsked = 64

export class Identities {
  #kv: KvReader
  #hosts: HostStore
  #tokens: TokenStore
  #asked = 0

  constructor(kv: KvReader, hosts: HostStore, tokens: TokenStore) {
    this.#kv = kv
    this.#hosts = hosts
    this.#tokens = tokens
  }

  /** The token of that text, while it is good and memory knows it. */
  knownToken(text: string): Token | undefined {
    const shown = shownIn('armada-token', text)
    return shown && tokenOf(shown, this.#tokens.table.get(shown.name)?.value)
  }

  /** The token of that text, while it is good. */
  tokenOf(text: string, beforeAsking?: () => void): Promise<Token | undefined> {
    return this.#find(this.#tokens.table, shownIn('armada-token', text), tokenOf, beforeAsking)
  }

  /** The host a credential belongs to. Its next one becomes the current one with its first use. */
  async hostOf(credential: string, beforeAsking?: () => void): Promise<string | undefined> {
    const shown = shownIn('armada-host', credential)
    const known = await this.#find(this.#hosts.table, shown, hostOf, beforeAsking)
    if (known?.next) {
      // Until that can be written both are good.
      await this.#hosts.promote(known.host, known.next).catch(() => undefined)
    }
    return known?.host
  }

  /** @throws ArmadaError unavailable when etcd cannot be asked about what memory does not know; what `beforeAsking` throws. */
  async #find<T, Found>(
    table: Table<T>,
    shown: Shown | undefined,
    identify: (shown: Shown, record: T | undefined) => Found | undefined,
    beforeAsking?: () => void,
  ): Promise<Found | undefined> {
    if (!shown) return undefined
    const known = identify(shown, table.get(shown.name)?.value)
    if (known !== undefined) return known
    // Made or rotated a moment ago at another ApiServer, perhaps.
    beforeAsking?.()
    return identify(shown, (await this.#ask(table, shown.name))?.value)
  }

  async #ask<T>(table: Table<T>, name: string): Promise<Row<T> | undefined> {
    if (this.#asked >= mostAsked) {
      const detail = 'Too many tokens that are not known here are being looked up. Try again.'
      throw new ArmadaError('unavailable', detail, { retryAfterSeconds: 1 })
    }
    this.#asked++
    try {
      return await readRow<T>(this.#kv, table.prefix + name)
    } finally {
      this.#asked--
    }
  }
}
