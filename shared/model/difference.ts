// Difference: what changed between two JSON values, one entry for each path.
import { z } from 'zod'

export const Difference = z.strictObject({
  path: z.string().describe('JSON Pointer (RFC 6901), as in `/resources/memoryMiB` or `/ports/0/name`'),
  from: z.unknown().describe('null: it was not there'),
  to: z.unknown().describe('null: it is not there any more'),
})
export type Difference = z.infer<typeof Difference>

/** The smallest parts that differ, by path. The order of keys does not matter; that of lists does. */
export function differences(from: unknown, to: unknown, path = ''): Difference[] {
  if (!isTree(from) || !isTree(to) || Array.isArray(from) !== Array.isArray(to)) {
    return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ path, from: from ?? null, to: to ?? null }]
  }
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort()
  return keys.flatMap((key) => differences(from[key], to[key], `${path}/${escaped(key)}`))
}

type Tree = Record<string, unknown>

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null
}

function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}
