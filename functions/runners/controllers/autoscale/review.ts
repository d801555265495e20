// A webhook policy's question, in the format of Agones' FleetAutoscaleReview: servers written for it answer unmodified.
//
// INVARIANTS
// - Where it may go is decided as for the sender of webhooks: see controllers/webhooks/guardedAgent.ts.
// - An answer is bounded in time and size, and nothing of it but a number goes anywhere.
import { randomUUID } from 'node:crypto'
import { type Dispatcher, request } from 'undici'
import { z } from 'zod'
import type { AddressGuard } from '../../../../shared/addressGuard.ts'
import type { ScaledFleet } from '../../../../shared/api/autoscaling.ts'
import { messageOf } from '../../../../shared/errors.ts'
import { liveOf } from '../../../../shared/model/shipState.ts'
import { version } from '../../../../shared/version.ts'
import type { Advice } from './policies.ts'

export interface Reviewer {
  guard: AddressGuard
  dispatcher: Dispatcher
  /** From the beginning to the end of the answer. */
  limitMs?: number
}

const answerBytes = 16 * 1024
const faultLength = 120

const Review = z.object({
  response: z.object({
    uid: z.string().optional(),
    scale: z.boolean().default(false),
    replicas: z.int().min(0).max(1_000_000).default(0),
  }),
})

/** Never throws. */
export async function review(
  url: string,
  fleet: ScaledFleet,
  { guard, dispatcher, limitMs = 5_000 }: Reviewer,
  signal: AbortSignal,
): Promise<Advice> {
  const over = new AbortController()
  const end = () => over.abort()
  const timer = setTimeout(end, limitMs)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    const refusal = guard.refusalOfUrl(new URL(url))
    if (refusal) return { fault: `refused: the URL ${refusal}` }
    const uid = randomUUID()
    const { statusCode, body } = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': `Armada/${version}` },
      body: JSON.stringify({ request: requestOf(uid, fleet), response: null }),
      signal: over.signal,
      dispatcher,
    })
    if (statusCode !== 200) {
      await body.dump({ limit: answerBytes, signal: over.signal }).catch(() => undefined)
      return { fault: `HTTP ${statusCode}` }
    }
    const { response } = Review.parse(JSON.parse(await bounded(body)))
    if (response.uid !== undefined && response.uid !== uid) return { fault: 'it answers another question' }
    return { replicas: response.scale ? response.replicas : null }
  } catch (error) {
    const late = over.signal.aborted && !signal.aborted
    return { fault: late ? `no answer within ${limitMs} ms` : faultOf(error) }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  }
}

function requestOf(uid: string, { name, labels, ships, totals }: ScaledFleet) {
  return {
    ...{ uid, name, namespace: 'default', labels, annotations: {} },
    status: {
      // As in Agones those that there are, and not those that it is to have.
      replicas: liveOf(ships),
      readyReplicas: ships.Ready ?? 0,
      reservedReplicas: ships.Reserved ?? 0,
      allocatedReplicas: ships.Allocated ?? 0,
      ...totals,
    },
  }
}

/** @throws Error when it is longer than an answer may be. */
async function bounded(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > answerBytes) throw new Error(`its answer is longer than ${answerBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function faultOf(error: unknown): string {
  if (error instanceof z.ZodError || error instanceof SyntaxError)
    return 'its answer is no FleetAutoscaleReview with a response'
  const { code } = error as { code?: unknown }
  return (messageOf(error) || String(code ?? 'the connection failed')).slice(0, faultLength)
}
