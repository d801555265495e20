// Answers to requests that came with an Idempotency-Key: in etcd, so that an emptied Redis doubles nothing.
//
// STATES  absent -> begun -> answered; begun -> absent (refused); begun -> left (failed, or its ApiServer died) -> begun
//
// INVARIANTS
// - One request at a time is begun for a key; whoever takes one over does so by the record's revision.
// - A request that was left may have had its effect: handlers of POST have to bear being run again.
// - Of what is refused at once nothing is kept: who may do nothing else could fill etcd with it.
// - Answers may hold secrets: they are sealed with the caller's token and key, neither of which is kept.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Kv, Write } from './etcd/kv.ts'
import { readRow } from './etcd/rows.ts'
import { SharedLease } from './etcd/sharedLease.ts'
import { etcdKeys } from './keys.ts'

export interface Answer {
  status: number
  contentType: string
  body: string
}

interface Kept {
  digest: string
  begunAt: number
  left: boolean
  sealed: string | null
  /** Of allocations, whose answers hold no more than the records of their ships: written with what they did. */
  plain?: string
}

/** What became of a request with this key: its answer, or it was another request. */
export type Known = { is: 'answered'; text: string } | { is: 'other' }

export interface Asked {
  /** Name of the caller and the key, which together stand for one intention. */
  scope: string
  /** Of all that the request asks for. */
  digest: string
  /** What only this caller can send again. */
  secret: string
}

/** begun: carry it out, then end, with undefined when it is unknown what became of it; answered: it was, like this; underWay: by somebody else; other: another request. */
export type Found =
  | { is: 'begun'; end: (answer: Answer | 'refused' | undefined) => Promise<void> }
  | { is: 'answered'; answer: Answer | undefined }
  | { is: 'underWay' }
  | { is: 'other' }

const keptSeconds = 24 * 3_600
const mostBytes = 512 * 1024

export class AnswerStore {
  #kv: Kv
  #givenUpMs: number
  #lease: SharedLease

  /** @param givenUpMs a request that has been under way for longer was left: no living one takes as long. */
  constructor(kv: Kv, givenUpMs = 30_000) {
    this.#kv = kv
    this.#givenUpMs = givenUpMs
    this.#lease = new SharedLease(kv, keptSeconds)
  }

  async begin({ scope, digest, secret }: Asked): Promise<Found> {
    const key = etcdKeys.answer(hash(scope))
    for (;;) {
      const row = await readRow<Kept>(this.#kv, key)
      if (row && row.value.digest !== digest) return { is: 'other' }
      if (row?.value.sealed) return { is: 'answered', answer: unseal(row.value.sealed, secret) }
      if (row && !row.value.left && Date.now() - row.value.begunAt < this.#givenUpMs)
        return { is: 'underWay' }
      const begun: Kept = { digest, begunAt: Date.now(), left: false, sealed: null }
      const revision = await this.#put(key, row?.revision ?? 0, begun)
      if (revision === undefined) continue
      const end = async (answer: Answer | 'refused' | undefined): Promise<void> => {
        if (answer === 'refused' && !row) {
          await this.#kv.commit([{ key, revision }], [{ delete: key }])
          return
        }
        if (answer === 'refused') answer = undefined
        const sealed = answer ? seal(answer, secret) : null
        await this.#put(key, revision, { ...begun, left: !answer, sealed })
      }
      return { is: 'begun', end }
    }
  }

  keyOf({ scope }: Asked): string {
    return etcdKeys.answer(hash(scope))
  }

  /** For who writes the answer together with the effect: then no request is ever under way. */
  async written({ scope, digest }: Asked, text: string): Promise<Write> {
    const kept: Kept = { digest, begunAt: Date.now(), left: false, sealed: null, plain: text }
    const lease = await this.#lease.id()
    return { put: etcdKeys.answer(hash(scope)), value: JSON.stringify(kept), lease }
  }

  /** @param found what stands under the key of the request. */
  known({ digest }: Asked, found: string): Known {
    const kept: Kept = JSON.parse(found)
    return kept.digest === digest && kept.plain !== undefined
      ? { is: 'answered', text: kept.plain }
      : { is: 'other' }
  }

  /** To be called when a write of `written` failed: a store that was restored does not know the lease. */
  failed(): void {
    this.#lease.drop()
  }

  async #put(key: string, revision: number, kept: Kept): Promise<number | undefined> {
    const lease = await this.#lease.id()
    try {
      return await this.#kv.commit([{ key, revision }], [{ put: key, value: JSON.stringify(kept), lease }])
    } catch (error) {
      this.#lease.drop()
      throw error
    }
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function seal(answer: Answer, secret: string): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', createHash('sha256').update(secret).digest(), nonce)
  const whole = gzipSync(JSON.stringify(answer))
  // What cannot be kept is still known to have been carried out.
  const plain = whole.length > mostBytes ? gzipSync('null') : whole
  const bytes = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), bytes]).toString('base64')
}

/** @returns undefined when it was sealed with another secret, or was too large to be kept. */
function unseal(sealed: string, secret: string): Answer | undefined {
  const bytes = Buffer.from(sealed, 'base64')
  const key = createHash('sha256').update(secret).digest()
  try {
    const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
    cipher.setAuthTag(bytes.subarray(12, 28))
    const plain = Buffer.concat([cipher.update(bytes.subarray(28)), cipher.final()])
    return JSON.parse(gunzipSync(plain).toString()) ?? undefined
  } catch {
    return undefined
  }
}
