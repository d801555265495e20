// Sending one message to an address that somebody else chose: pinned to checked addresses, limited in time and size.
//
// INVARIANTS
// - Connections lead only where the guard lets them: see guardedAgent.ts.
// - Redirects are not followed, and of the answer only its status counts.
import { type Agent, request } from 'undici'
import type { AddressGuard } from '../../../../shared/addressGuard.ts'
import { messageOf } from '../../../../shared/errors.ts'
import { version } from '../../../../shared/version.ts'
import { signedHeaders } from '../../../../shared/webhookSignature.ts'
import { guardedAgent, type Resolve } from './guardedAgent.ts'

export interface Letter {
  url: string
  id: string
  body: string
  /** The message is signed with each. */
  secrets: readonly string[]
}

export type Outcome =
  | { is: 'delivered' }
  /** @property waitMs how long the receiver asks to be left alone. */
  | { is: 'failed'; reason: string; waitMs?: number }
  /** The receiver wants no more messages at all. */
  | { is: 'gone'; reason: string }

export interface SenderOptions {
  guard: AddressGuard
  connectMs?: number
  /** From the beginning to the status of the answer. */
  limitMs?: number
  resolve?: Resolve
}

const answerBytes = 16 * 1024
const mostWaitMs = 300_000

export class Sender {
  readonly #guard: AddressGuard
  readonly #limitMs: number
  readonly #agent: Agent

  constructor({ guard, connectMs, limitMs = 10_000, resolve }: SenderOptions) {
    this.#guard = guard
    this.#limitMs = limitMs
    this.#agent = guardedAgent({ guard, connectMs, resolve })
  }

  /** Never throws. */
  async send({ url, id, body, secrets }: Letter, signal: AbortSignal): Promise<Outcome> {
    const over = new AbortController()
    const end = () => over.abort()
    const timer = setTimeout(end, this.#limitMs)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    try {
      const refusal = this.#guard.refusalOfUrl(new URL(url))
      if (refusal) return { is: 'failed', reason: `refused: the URL ${refusal}` }
      const response = await request(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': `Armada/${version}`,
          ...signedHeaders(id, body, secrets, Date.now()),
        },
        body,
        signal: over.signal,
        dispatcher: this.#agent,
      })
      // Read so that the connection can be used again; a longer answer ends it.
      await response.body.dump({ limit: answerBytes, signal: over.signal }).catch(() => undefined)
      return outcomeOf(response.statusCode, String(response.headers['retry-after'] ?? ''), Date.now())
    } catch (error) {
      const late = over.signal.aborted && !signal.aborted
      return { is: 'failed', reason: late ? `no answer within ${this.#limitMs} ms` : reasonOf(error) }
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

export function outcomeOf(status: number, retryAfter: string, nowMs: number): Outcome {
  if (status >= 200 && status < 300) return { is: 'delivered' }
  if (status === 410) return { is: 'gone', reason: 'HTTP 410: the receiver wants no more messages' }
  const reason = `HTTP ${status}${status >= 300 && status < 400 ? ': redirects are not followed' : ''}`
  const asksToWait = status === 429 || status === 503
  const waitMs = /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) * 1_000 : Date.parse(retryAfter) - nowMs
  if (!asksToWait || !(waitMs > 0)) return { is: 'failed', reason }
  return { is: 'failed', reason, waitMs: Math.min(waitMs, mostWaitMs) }
}

function reasonOf(error: unknown): string {
  const { code } = error as { code?: unknown }
  return (messageOf(error) || String(code ?? 'the connection failed')).slice(0, 200)
}
