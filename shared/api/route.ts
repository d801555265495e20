// The parts that route declarations are put together from: roles, JSON bodies and answers, problems.
import { z } from 'zod'
import { type ProblemCode, problems } from '../errors.ts'
import { TokenRole } from '../model/token.ts'

/**
 * What a token may do. admin: everything people may; operator: run ships and fleets; allocator: take and give
 * back ships; viewer: read; runner: the scheduler and the controllers; host: one host's agent, for its own ships
 * only; scraper: Prometheus, for `/metrics` only.
 */
export const Role = z.enum([...TokenRole.options, 'runner', 'host', 'scraper'])
export type Role = z.infer<typeof Role>

/** Who may call a route. An empty list: everybody, without a token. */
export const anyone: readonly Role[] = []
export const readers: readonly Role[] = [...TokenRole.options, 'runner']
export const allocators: readonly Role[] = ['allocator', 'operator', 'admin']
export const operators: readonly Role[] = ['operator', 'admin']
export const admins: readonly Role[] = ['admin']
export const runners: readonly Role[] = ['runner']
export const hosts: readonly Role[] = ['host']
export const scrapers: readonly Role[] = ['scraper', ...readers]

/**
 * `x-scope` of a route: what a token that is limited to fleets may do there. Without it: nothing at all.
 * fleet: the handler keeps to what the token sees (functions/middleware/scope.ts); self: it is about the caller only.
 */
export const scopes: readonly unknown[] = ['fleet', 'self']

export const Problem = z
  .strictObject({
    type: z.string().describe('A stable URI of the kind of problem'),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(problems) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string().describe('What happened and what to do'),
    requestId: z.string(),
    issues: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem' })
/** RFC 9457 problem document. */
export type Problem = z.infer<typeof Problem>

/** A JSON request body. */
export function body<T extends z.ZodType>(schema: T, example?: z.input<T>) {
  return { required: true, content: { 'application/json': media(schema, example) } } as const
}

/** A JSON request body that may be left out. */
export function optionalBody<T extends z.ZodType>(schema: T, example?: z.input<T>) {
  return { required: false, content: { 'application/json': media(schema, example) } } as const
}

/** A JSON answer. */
export function answer<T extends z.ZodType>(schema: T, description: string, example?: z.output<T>) {
  return { description, content: { 'application/json': media(schema, example) } } as const
}

/** An answer that `?watch=true` makes a stream of server-sent events. Typed as the answer without it. */
export function streams<T extends { content: object }>(answered: T): T {
  const events = { 'text/event-stream': { schema: z.string() } }
  return { ...answered, content: { ...answered.content, ...events } }
}

function media<T extends z.ZodType>(schema: T, example: unknown): { schema: T; example?: unknown } {
  return example === undefined ? { schema } : { schema, example }
}

/** What every route can answer. */
export const everywhere: readonly ProblemCode[] = [
  'invalid_request',
  'unauthenticated',
  'forbidden',
  'internal',
  'unavailable',
]

/**
 * The problem documents that a route can answer, beside those that every route can.
 * Typed as no responses at all: handlers throw them, and clients get them thrown.
 */
export function failures(...codes: ProblemCode[]): Record<never, never> {
  const responses: Record<number, { description: string; content: object }> = {}
  for (const code of [...everywhere, ...codes]) {
    const { status, title } = problems[code]
    const others = responses[status] ? `${responses[status].description}; ` : ''
    responses[status] = {
      description: `${others}${code}: ${title}`,
      content: { 'application/problem+json': { schema: Problem } },
    }
  }
  return responses
}
