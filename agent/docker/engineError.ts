// What the Docker engine, or the way to it, answers when it does not do what was asked.
import { messageOf } from '../../shared/errors.ts'

export class EngineError extends Error {
  /** HTTP status of the engine's answer; null when there was none: it is away, hangs, or broke off. */
  readonly status: number | null

  constructor(status: number | null, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'EngineError'
    this.status = status
  }

  static from(error: unknown, doing: string): EngineError {
    if (error instanceof EngineError) return error
    const { statusCode, reason, json } = error as Answer
    if (statusCode === undefined) {
      return new EngineError(null, `the Docker engine does not answer (${doing}: ${messageOf(error)})`, error)
    }
    const said = typeof json === 'object' ? json?.message : undefined
    // Of streams that are refused, dockerode keeps the engine's words in its own message only.
    const text = said ?? messageOf(error).replace(/^\(HTTP code \d+\) [^-]* - /, '')
    return new EngineError(statusCode, text.trim() || (reason ?? 'no reason given'), error)
  }
}

/** The errors that dockerode makes of the engine's answers. */
interface Answer {
  statusCode?: number
  reason?: string
  json?: { message?: string } | null
}

/** True when the engine gave no answer, so that the same request may succeed later. */
export function isAway(error: unknown): boolean {
  return error instanceof EngineError && error.status === null
}

export function hasStatus(error: unknown, status: number): boolean {
  return error instanceof EngineError && error.status === status
}

/** Whether what was to be removed is gone; false while something uses it. */
export async function isGone(removal: Promise<unknown>): Promise<boolean> {
  try {
    await removal
    return true
  } catch (error) {
    if (hasStatus(error, 409)) return false
    if (hasStatus(error, 404)) return true
    throw error
  }
}
