// What a ship is answered when its call cannot be done: one of gRPC's codes, and words for its developer.
import type { RefusalCode } from '../../shared/model/word.ts'

/** code -> gRPC's number, and the HTTP status that gRPC's gateway makes of it. */
export const codes = {
  INVALID_ARGUMENT: { number: 3, status: 400 },
  NOT_FOUND: { number: 5, status: 404 },
  ALREADY_EXISTS: { number: 6, status: 409 },
  RESOURCE_EXHAUSTED: { number: 8, status: 429 },
  FAILED_PRECONDITION: { number: 9, status: 400 },
  OUT_OF_RANGE: { number: 11, status: 400 },
  UNIMPLEMENTED: { number: 12, status: 501 },
  INTERNAL: { number: 13, status: 500 },
  UNAVAILABLE: { number: 14, status: 503 },
} as const satisfies Record<RefusalCode, unknown> & Record<string, { number: number; status: number }>

export type SdkCode = keyof typeof codes

export class SdkError extends Error {
  readonly code: SdkCode

  constructor(code: SdkCode, detail: string) {
    super(detail)
    this.name = 'SdkError'
    this.code = code
  }

  static from(error: unknown): SdkError {
    if (error instanceof SdkError) return error
    return new SdkError('INTERNAL', error instanceof Error ? error.message : String(error))
  }
}
