// Sending one message of a webhook, signed. Of the answer only its status counts.
import type { Agent } from 'undici'
import type { AddressGuard } from '../../../../shared/addressGuard.ts'
import { signedHeaders } from '../../../../shared/webhookSignature.ts'
import { guardedAgent, type Resolve } from '../outbound/guardedAgent.ts'
import { post } from '../outbound/post.ts'

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
  /** From the beginning to the end of the answer. */
  limitMs?: number
  resolve?: Resolve
}

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
    const headers = signedHeaders(id, body, secrets, Date.now())
    const outbound = { guard: this.#guard, dispatcher: this.#agent, limitMs: this.#limitMs }
    const answer = await post({ url, body, headers }, outbound, signal)
    if ('fault' in answer) return { is: 'failed', reason: answer.fault }
    return outcomeOf(answer.status, answer.retryAfter, Date.now())
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
