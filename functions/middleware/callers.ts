// Who is behind a bearer token: somebody of the settings, somebody with a token that admins made, or a host.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Role } from '../../shared/api/route.ts'
import type { Token } from '../../shared/model/token.ts'

export interface Caller {
  role: Role
  /** Name for logs; of a host: its id; of a token: its name. */
  name: string
  /** The token it showed, when that is one of those that admins make; undefined for those of the settings. */
  token?: Token
}

/**
 * Tells who shows what: from stores, on Node and at the edge each in its own way. `beforeAsking` is called before a
 * store is asked about what memory does not know, and may throw.
 */
export interface Identities {
  /** The token of that text, while it is good and memory knows it. */
  knownToken?(text: string): Token | undefined
  /** The token of that text, while it is good. */
  tokenOf(text: string, beforeAsking?: () => void): Promise<Token | undefined>
  /** The host a credential belongs to. */
  hostOf(credential: string, beforeAsking?: () => void): Promise<string | undefined>
}

export interface Credentials {
  adminToken?: string | undefined
  runnerToken: string
  metricsToken?: string | undefined
  identities: Identities
}

export class Callers {
  readonly #identities: Identities
  readonly #people: readonly [Buffer, Caller][]
  /** Only tokens of the settings, which are as few and good for ever: digest and comparison take 2 µs. */
  readonly #verified = new Map<string, Caller>()

  constructor({ adminToken, runnerToken, metricsToken, identities }: Credentials) {
    const people: [Buffer, Caller][] = [[digest(runnerToken), { role: 'runner', name: 'runner' }]]
    if (adminToken) people.push([digest(adminToken), { role: 'admin', name: 'admin' }])
    if (metricsToken) people.push([digest(metricsToken), { role: 'scraper', name: 'scraper' }])
    this.#people = people
    this.#identities = identities
  }

  /** Who shows that token, as far as memory can tell; of hosts it does not. */
  known(token: string): Caller | undefined {
    return this.#verified.get(token) ?? called(this.#identities.knownToken?.(token))
  }

  /** Who shows that token; undefined: nobody who may. `beforeAsking` is called before a store is asked, and may throw. */
  async find(token: string, beforeAsking?: () => void): Promise<Caller | undefined> {
    // All tokens are compared, so that the time taken tells nothing.
    const sent = digest(token)
    let found: Caller | undefined
    for (const [known, caller] of this.#people) if (timingSafeEqual(known, sent)) found = caller
    if (found) {
      this.#verified.set(token, found)
      return found
    }
    const made = called(await this.#identities.tokenOf(token, beforeAsking))
    if (made) return made
    const host = await this.#identities.hostOf(token, beforeAsking)
    return host === undefined ? undefined : { role: 'host', name: host }
  }
}

/** The token in an `Authorization` header; undefined when there is none that could be good. */
export function bearerOf(authorization: string | null | undefined): string | undefined {
  return authorization?.match(/^Bearer ([\x21-\x7e]{1,512})$/i)?.[1]
}

function called(token: Token | undefined): Caller | undefined {
  return token && { role: token.role, name: token.name, token }
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
