// What stands in a field of a request: read from the JSON of protobuf, as gRPC and REST bring it. Pure.
import type { Message } from './method.ts'
import { SdkError } from './sdkError.ts'

export function messageIn(value: unknown): Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Message) : {}
}

/** A number, its text as JSON has it, or protobuf's wrapper of one; undefined when it is not there. */
export function wholeOf(value: unknown, field: string): number | undefined {
  if (value === undefined || value === null || value === '') return undefined
  // A wrapper of 0 comes empty.
  if (typeof value === 'object') return wholeOf('value' in value ? value.value : 0, field)
  const number = typeof value === 'string' ? Number(value) : value
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number
  throw new SdkError('INVALID_ARGUMENT', `${field} must be a whole number`)
}

export function textOf(value: unknown, field: string, most: number): string {
  if (typeof value === 'string' && value.length <= most) return value
  throw new SdkError('INVALID_ARGUMENT', `${field} must be text of at most ${most} characters`)
}

export function textsOf(values: unknown): string[] {
  if (values === undefined || values === null) return []
  if (!Array.isArray(values) || values.length > 1_000) {
    throw new SdkError('INVALID_ARGUMENT', 'values must be a list of at most 1000 texts')
  }
  return values.map((value) => textOf(value, 'values', 256))
}

export function pairOf(key: unknown, value: unknown, most: number): { key: string; value: string } {
  return { key: textOf(key, 'key', 48), value: textOf(value ?? '', 'value', most) }
}
