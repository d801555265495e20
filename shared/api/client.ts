// The typed client of the API: agent, runners and CLI all speak through it, and others as `armada/client`.
import { type ClientResponse, hc } from 'hono/client'
import { ArmadaError, messageOf, type ProblemCode } from '../errors.ts'
import { newTrace, type Trace, traceparentOf } from '../trace.ts'
import type { Api } from './contract.ts'
import { asker, textOf } from './exchange.ts'
import { errorOf } from './problem.ts'

export { ArmadaError, type ProblemCode }

/** What was seen so far, so that no later answer shows less, whichever ApiServer gives it. */
export interface Session {
  /** Of the store. */
  revision: number
}

export interface ClientOptions {
  /** Base URL of the ApiServer or of the load balancer before it. */
  url: string
  /** A function is asked before each request. */
  token?: string | (() => string) | undefined
  /** One request may take this long. */
  limitMs?: number
  /** Default: one of its own. Clients that share a session see what the others wrote. */
  session?: Session
  /** The trace that a request belongs to; default: a new one for each. */
  trace?: () => Trace
}

export type Client = ReturnType<typeof hc<Api>>

/**
 * Opens a client. Nothing is sent before the first request; connections are kept and reused. Behind a load balancer it
 * reads what it wrote: see `X-Armada-Min-Revision`.
 */
export function connect(options: ClientOptions): Client {
  const { url, token, limitMs = 10_000, session = { revision: 0 }, trace = newTrace } = options
  const ask = asker(url, { connectMs: Math.min(limitMs, 5_000) })
  const send = async (input: unknown, init: RequestInit = {}): Promise<Response> => {
    // Not AbortSignal.any: on Node 20 each call leaves something behind on a signal that lives long.
    const over = new AbortController()
    const end = () => over.abort(init.signal?.reason ?? new Error(`no answer within ${limitMs} ms`))
    const timer = setTimeout(end, limitMs)
    init.signal?.addEventListener('abort', end, { once: true })
    if (init.signal?.aborted) end()
    try {
      const least = session.revision
      const headers = new Headers(init.headers)
      if (least > 0) headers.set('x-armada-min-revision', String(least))
      const answer = await ask(String(input), {
        method: init.method,
        headers: Object.fromEntries(headers),
        body: init.body as string | undefined,
        signal: over.signal,
      })
      const text = await textOf(answer)
      const response = new Response(text || null, {
        status: answer.statusCode ?? 0,
        headers: Object.entries(answer.headers) as [string, string][],
      })
      note(session, least, response.headers)
      return response
    } catch (error) {
      throw over.signal.aborted ? over.signal.reason : error
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

function note(session: Session, least: number, headers: { get(name: string): string | null }): void {
  const revision = Number(headers.get('x-armada-revision') ?? 0)
  if (revision === 0) return
  // An answer that shows less, though etcd is there: the store was set back, and what was seen is not to come again.
  const setBack = revision < least && headers.get('x-armada-stale') === null
  session.revision = setBack ? revision : Math.max(session.revision, revision)
}

/** The body of a successful answer. */
export type Answer<R> = R extends ClientResponse<infer Body, infer _Status, 'json'> ? Body : never

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
  if (!response.ok) throw errorOf(response.status, text)
  return JSON.parse(text) as Answer<R>
}

/** What a list's query takes to ask for one page. */
export interface PageQuery {
  limit: string
  cursor?: string
}

/**
 * Asks for page after page of a list: what is on all of them.
 * @param ask `(page) => client.v1.ships.$get({ query: { ...page, fleet: 'lobby' } })`
 * @throws ArmadaError as `answerOf` does.
 */
export async function allOf<R extends ClientResponse<unknown>, T>(
  ask: (page: PageQuery) => Promise<R>,
  listed: (answer: Answer<R>) => readonly T[],
): Promise<T[]> {
  const all: T[] = []
  for (let query: PageQuery | undefined = { limit: '1000' }; query; ) {
    const answer: Answer<R> = await answerOf(ask(query))
    for (const one of listed(answer)) all.push(one)
    const { nextCursor: cursor } = answer as { nextCursor?: string | null }
    query = cursor ? { limit: '1000', cursor } : undefined
  }
  return all
}
