// The typed client of the API: agent, runners and CLI all speak through it.
import { type ClientResponse, hc } from 'hono/client'
import { Agent, fetch as undiciFetch } from 'undici'
import { ArmadaError, messageOf, type ProblemCode, problems } from '../errors.ts'
import type { Api } from './contract.ts'
import type { Problem } from './route.ts'

export interface ClientOptions {
  /** Base URL of the ApiServer or of the load balancer before it. */
  url: string
  token?: string | undefined
  /** One request may take this long. */
  limitMs?: number
}

export type Client = ReturnType<typeof connect>

/** Opens a client. Nothing is sent before the first request; connections are kept and reused. */
export function connect({ url, token, limitMs = 10_000 }: ClientOptions) {
  const dispatcher = new Agent({ connections: 16, connect: { timeout: Math.min(limitMs, 5_000) } })
  const send = async (input: unknown, init: RequestInit = {}): Promise<Response> => {
    const limit = AbortSignal.timeout(limitMs)
    const signal = init.signal ? AbortSignal.any([init.signal, limit]) : limit
    // Hono speaks of the DOM's types and undici of its own; they are the same at run time.
    const request = { ...init, signal, dispatcher } as unknown as Parameters<typeof undiciFetch>[1]
    return (await undiciFetch(String(input), request)) as unknown as Response
  }
  return hc<Api>(url, {
    headers: token ? { authorization: `Bearer ${token}` } : {},
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

function problemOf(status: number, text: string): ArmadaError {
  const problem = parseProblem(text)
  const code: ProblemCode = problem?.code ?? (status >= 500 ? 'unavailable' : 'invalid_request')
  return new ArmadaError(
    code in problems ? code : 'internal',
    problem?.detail ?? `HTTP ${status}: ${text.slice(0, 200)}`,
    {
      ...(problem?.issues && { issues: problem.issues }),
    },
  )
}

function parseProblem(text: string): Problem | undefined {
  try {
    return JSON.parse(text) as Problem
  } catch {
    return undefined
  }
}
