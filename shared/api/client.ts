// The typed client of the API: agent, runners and CLI all speak through it.
import { type ClientResponse, hc } from 'hono/client'
import { Agent, fetch as undiciFetch } from 'undici'
import { ArmadaError, messageOf } from '../errors.ts'
import { newTrace, type Trace, traceparentOf } from '../trace.ts'
import type { Api } from './contract.ts'
import { problemOf } from './problem.ts'

export interface ClientOptions {
  /** Base URL of the ApiServer or of the load balancer before it. */
  url: string
  /** A function is asked before each request. */
  token?: string | (() => string) | undefined
  /** One request may take this long. */
  limitMs?: number
  /** The trace that a request belongs to; default: a new one for each. */
  trace?: () => Trace
}

export type Client = ReturnType<typeof connect>

/** Opens a client. Nothing is sent before the first request; connections are kept and reused. */
export function connect({ url, token, limitMs = 10_000, trace = newTrace }: ClientOptions) {
  const dispatcher = new Agent({ connections: 16, connect: { timeout: Math.min(limitMs, 5_000) } })
  const send = async (input: unknown, init: RequestInit = {}): Promise<Response> => {
    // Not AbortSignal.any: on Node 20 each call leaves something behind on a signal that lives long.
    const over = new AbortController()
    const end = () => over.abort(init.signal?.reason ?? new Error(`no answer within ${limitMs} ms`))
    const timer = setTimeout(end, limitMs)
    init.signal?.addEventListener('abort', end, { once: true })
    if (init.signal?.aborted) end()
    try {
      // Hono speaks of the DOM's types and undici of its own; they are the same at run time.
      const request = { ...init, signal: over.signal, dispatcher } as unknown as Parameters<
        typeof undiciFetch
      >[1]
      const response = await undiciFetch(String(input), request)
      return new Response(await response.text(), { status: response.status, headers: [...response.headers] })
    } finally {
      clearTimeout(timer)
      init.signal?.removeEventListener('abort', end)
    }
  }
  return hc<Api>(url, {
    headers: () => {
      const shown = typeof token === 'function' ? token() : token
      return { ...(shown && { authorization: `Bearer ${shown}` }), traceparent: traceparentOf(trace()) }
    },
    fetch: send as typeof fetch,
  })
}

type Answer<R> = R extends ClientResponse<infer Body, infer _Status, 'json'> ? Body : never

/**
 * Awaits the JSON answer of a request made with the client.
 * @throws ArmadaError with the code of the problem document; `unavailable` when no answer came.
 */
export async function answerOf<R extends ClientResponse<unknown>>(request: Promise<R>): Promise<Answer<R>> {
  let response: R
  let text: string
  try {
    response = await request
    text = await response.text()
  } catch (error) {
    const cause = error instanceof Error && error.cause ? messageOf(error.cause) : messageOf(error)
    throw new ArmadaError('unavailable', `The ApiServer does not answer (${cause}). Is it running?`, {
      cause: error,
    })
  }
  if (!response.ok) throw problemOf(response.status, text)
  return JSON.parse(text) as Answer<R>
}
