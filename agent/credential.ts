// The credential of this host: got once for a join token, kept in a file that only its owner reads, replaced in time.
//
// INVARIANTS
// - A credential is on disk before it is first used, because that use ends the one before.
// - The one before stays beside it: should the cluster not know the new one, the host is not locked out.
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { answerOf, connect } from '../shared/api/client.ts'
import { ArmadaError, messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { loop, pauseAfter } from '../shared/loop.ts'
import type { HostDescription } from '../shared/model/host.ts'

export interface CredentialOptions {
  stateDir: string
  url: string
  joinToken: string | undefined
  host: HostDescription
  signal: AbortSignal
  log: Log
}

interface Kept {
  host: string
  credential: string
  /** Of the token it was got for: a new token means that somebody wants this host to join anew. */
  tokenDigest: string
  /** When it was got, in ms since 1970. */
  sinceMs: number
  /** The credential before. */
  before: string | null
}

/** How often its age is looked at. */
const lookMs = 60_000

export class Credential {
  readonly #file: string
  readonly #url: string
  readonly #log: Log
  #kept: Kept
  /** Of the renewal under way: repeated with the same key, it gives the same credential. */
  #key = randomUUID()

  private constructor(file: string, kept: Kept, { url, log }: CredentialOptions) {
    this.#file = file
    this.#kept = kept
    this.#url = url
    this.#log = log
  }

  /**
   * The kept credential, or one got for the join token; asks until the ApiServer answers.
   * @throws ArmadaError when there is neither, or the token is refused.
   */
  static async open(options: CredentialOptions): Promise<Credential> {
    const { stateDir, joinToken, host, log } = options
    const file = join(stateDir, 'credential.json')
    await mkdir(stateDir, { recursive: true, mode: 0o700 })
    const kept = await readKept(file)
    const tokenDigest = createHash('sha256')
      .update(joinToken ?? '')
      .digest('hex')
    const isNew = joinToken !== undefined && kept?.tokenDigest !== tokenDigest
    if (kept?.host === host.id && !isNew) return new Credential(file, kept, options)
    if (joinToken === undefined) {
      throw new ArmadaError(
        'unauthenticated',
        `This host has not joined: ${file} holds no credential for "${host.id}". Make a token (POST /v1/hosts/join-tokens) and start the agent with ARMADA_JOIN_TOKEN.`,
      )
    }
    const credential = await joinWith(joinToken, options)
    const value: Kept = { host: host.id, credential, tokenDigest, sinceMs: Date.now(), before: null }
    await write(file, value)
    log.info({ file }, 'joined')
    return new Credential(file, value, options)
  }

  /** To be shown as bearer token with the next request; not to be kept. */
  get token(): string {
    return this.#kept.credential
  }

  get ageMs(): number {
    return Date.now() - this.#kept.sinceMs
  }

  /**
   * Asks before this host shows itself to the others. While no ApiServer answers, its ships are looked after as before.
   * @throws ArmadaError unauthenticated when the host was removed from the cluster.
   */
  async assertKnown(): Promise<void> {
    const { host, credential, before } = this.#kept
    if (!(await this.#isRefused(credential))) return
    if (before !== null && !(await this.#isRefused(before))) {
      this.#log.warn({}, 'the cluster does not know the last credential; the one before is good')
      return this.#keep({ ...this.#kept, credential: before, before: null })
    }
    throw new ArmadaError(
      'unauthenticated',
      `Host "${host}" was removed from the cluster. Make a token (POST /v1/hosts/join-tokens) and start the agent with ARMADA_JOIN_TOKEN to join again.`,
    )
  }

  /** Has it replaced. Whatever goes wrong on the way, one that is good is on disk. */
  async renew(): Promise<void> {
    const api = connect({ url: this.#url, token: this.#kept.credential })
    const header = { 'idempotency-key': this.#key }
    const { credential } = await answerOf(api.v1.monitor.credential.$post({ header }))
    const { credential: before } = this.#kept
    const next: Kept = { ...this.#kept, credential, before, sinceMs: Date.now() }
    await write(this.#file, next)
    this.#key = randomUUID()
    if (await this.#isRefused(credential)) {
      await write(this.#file, this.#kept)
      throw new ArmadaError('unauthenticated', 'The credential that was just made is refused.')
    }
    this.#kept = next
    this.#log.info({}, 'the credential of this host was replaced')
  }

  /** Has it replaced whenever it is older than `everyMs`, until the signal fires. */
  async keepYoung(everyMs: number, signal: AbortSignal): Promise<void> {
    const options = { name: 'credential', everyMs: Math.min(everyMs, lookMs), signal, log: this.#log }
    await loop(options, async () => {
      if (this.ageMs >= everyMs) await this.renew()
    })
  }

  async #keep(kept: Kept): Promise<void> {
    await write(this.#file, kept)
    this.#kept = kept
  }

  /** Only when an ApiServer says so: while none answers, nobody knows. */
  async #isRefused(token: string): Promise<boolean> {
    const api = connect({ url: this.#url, token, limitMs: 2_000 })
    try {
      await answerOf(api.v1.monitor.claims.$post({ json: { claims: [] } }))
      return false
    } catch (error) {
      return error instanceof ArmadaError && error.code === 'unauthenticated'
    }
  }
}

async function readKept(file: string): Promise<Kept | undefined> {
  try {
    // Files of older agents tell neither its age nor what was before it.
    const kept: Omit<Kept, 'sinceMs' | 'before'> & Partial<Kept> = JSON.parse(await readFile(file, 'utf8'))
    return { sinceMs: 0, before: null, ...kept }
  } catch {
    return undefined
  }
}

/** All or nothing, and there after a power cut as well: by then the credential before may be good no more. */
async function write(file: string, kept: Kept): Promise<void> {
  const fresh = await open(`${file}.new`, 'w', 0o600)
  try {
    await fresh.writeFile(JSON.stringify(kept))
    await fresh.sync()
  } finally {
    await fresh.close()
  }
  await rename(`${file}.new`, file)
  const folder = await open(join(file, '..'), 'r')
  await folder.sync().finally(() => folder.close())
}

async function joinWith(token: string, { url, host, signal, log }: CredentialOptions): Promise<string> {
  const api = connect({ url })
  for (let failures = 0; ; failures++) {
    try {
      const { credential } = await answerOf(api.v1.monitor.join.$post({ json: { token, host } }))
      return credential
    } catch (error) {
      if (signal.aborted || !(error instanceof ArmadaError) || !error.retryable) throw error
      log.warn({ error: messageOf(error) }, 'cannot join yet')
      await pauseAfter(failures, 200, 5_000, signal)
    }
  }
}
