// Every error a person or a component can meet, in one table, and the class that carries it.

/**
 * code -> HTTP status, title (what went wrong, in general), retryable (the same request may succeed later).
 * The text that tells what to do is the error's `detail`, written where the error is raised.
 */
export const problems = {
  invalid_request: { status: 400, title: 'The request does not fit its schema', retryable: false },
  malformed_json: { status: 400, title: 'The body is not valid JSON', retryable: false },
  unauthenticated: { status: 401, title: 'No valid token was sent', retryable: false },
  forbidden: { status: 403, title: 'This token may not do that', retryable: false },
  quota_exceeded: { status: 403, title: 'A quota does not allow that many', retryable: false },
  not_found: { status: 404, title: 'There is no such thing', retryable: false },
  method_not_allowed: { status: 405, title: 'This path does not answer that method', retryable: false },
  request_timeout: { status: 408, title: 'The request did not arrive in time', retryable: true },
  conflict: { status: 409, title: 'The current state does not allow that', retryable: false },
  stale_epoch: { status: 409, title: 'A newer leader has taken over', retryable: false },
  revision_mismatch: { status: 412, title: 'The record has changed since it was read', retryable: false },
  body_too_large: { status: 413, title: 'The body is too large', retryable: false },
  unsupported_media_type: { status: 415, title: 'The body must be application/json', retryable: false },
  key_reused: { status: 422, title: 'This Idempotency-Key was used for another request', retryable: false },
  queue_full: { status: 429, title: 'The scheduler queue is full', retryable: true },
  none_free: { status: 429, title: 'No ship is free', retryable: true },
  rate_limited: { status: 429, title: 'Too many requests', retryable: true },
  headers_too_large: { status: 431, title: 'The headers are too large', retryable: false },
  too_many_streams: { status: 429, title: 'Too many streams are held open', retryable: true },
  internal: { status: 500, title: 'Something unexpected went wrong inside Armada', retryable: false },
  unavailable: { status: 503, title: 'Something that this request needs does not answer', retryable: true },
} as const

export type ProblemCode = keyof typeof problems

export interface ErrorOptions {
  cause?: unknown
  /** Seconds after which trying again makes sense; becomes `Retry-After`. */
  retryAfterSeconds?: number
  /** What exactly does not fit, one entry a field. */
  issues?: readonly { path: string; message: string }[]
}

export class ArmadaError extends Error {
  readonly code: ProblemCode
  readonly retryAfterSeconds: number | undefined
  readonly issues: readonly { path: string; message: string }[] | undefined

  /** @param detail what happened here and what to do about it: the sentence a person reads. */
  constructor(code: ProblemCode, detail: string, options: ErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ArmadaError'
    this.code = code
    this.retryAfterSeconds = options.retryAfterSeconds
    this.issues = options.issues
  }

  get status(): (typeof problems)[ProblemCode]['status'] {
    return problems[this.code].status
  }

  get retryable(): boolean {
    return problems[this.code].retryable
  }
}

/** The message of anything that was thrown. Node's of a host that has several addresses is in the errors of each. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
