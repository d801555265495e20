// One request to an address that somebody else chose: pinned to checked addresses, limited in time and size.
//
// INVARIANTS
// - It goes only where the guard lets it: see guardedAgent.ts. Redirects are not followed.
// - No more is read of an answer than so many bytes; a longer one ends its connection.
import { type Dispatcher, request } from 'undici'
import type { AddressGuard } from '../../../../shared/addressGuard.ts'
import { messageOf } from '../../../../shared/errors.ts'
import { version } from '../../../../shared/version.ts'

export interface Outbound {
  guard: AddressGuard
  /** One of `guardedAgent`. */
  dispatcher: Dispatcher
  /** From the beginning to the end of the answer. */
  limitMs: number
}

export interface Posted {
  status: number
  /** As the header has it; empty: it has none. */
  retryAfter: string
  text: string
  /** Why the text is not whole. */
  unread: string | null
}

const answerBytes = 16 * 1024
const faultLength = 200

/** Posts JSON. Never throws: what it gives besides is why there is no answer. */
export async function post(
  { url, body, headers = {} }: { url: string; body: string; headers?: Record<string, string> },
  { guard, dispatcher, limitMs }: Outbound,
  signal: AbortSignal,
): Promise<Posted | { fault: string }> {
  const over = new AbortController()
  const end = () => over.abort()
  const timer = setTimeout(end, limitMs)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  const why = (error: unknown) =>
    over.signal.aborted && !signal.aborted ? `no answer within ${limitMs} ms` : reasonOf(error)
  try {
    const refusal = guard.refusalOfUrl(new URL(url))
    if (refusal) return { fault: `refused: the URL ${refusal}` }
    const answer = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': `Armada/${version}`, ...headers },
      body,
      signal: over.signal,
      dispatcher,
    })
    const retryAfter = String(answer.headers['retry-after'] ?? '')
    return { status: answer.statusCode, retryAfter, ...(await textOf(answer.body, why)) }
  } catch (error) {
    return { fault: why(error) }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  }
}

async function textOf(
  body: AsyncIterable<Buffer>,
  why: (error: unknown) => string,
): Promise<Pick<Posted, 'text' | 'unread'>> {
  const chunks: Buffer[] = []
  let unread: string | null = null
  let bytes = 0
  try {
    for await (const chunk of body) {
      bytes += chunk.length
      if (bytes > answerBytes) throw new Error(`its answer is longer than ${answerBytes} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    unread = why(error)
  }
  return { text: Buffer.concat(chunks).toString('utf8'), unread }
}

function reasonOf(error: unknown): string {
  const { code } = error as { code?: unknown }
  return (messageOf(error) || String(code ?? 'the connection failed')).slice(0, faultLength)
}
