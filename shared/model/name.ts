// Names and ids: the one pattern that every key, path and label value is built from.
import { createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'

export const namePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

const nameRule = 'must be 1 to 63 of a-z, 0-9 and "-", and neither begin nor end with "-"'

/** A name chosen by people, or an id made by Armada. Safe in keys, paths and DNS labels. */
export const Name = z.string().regex(namePattern, nameRule)

/** Names that Armada lengthens (a fleet's ships are `{fleet}-{8 characters}`). */
export const PrefixName = Name.max(54, 'must be at most 54 characters, because ship ids are built on it')

/** Small string pairs that people select by. */
export const Labels = z
  .record(
    z.string().regex(/^[a-zA-Z0-9]([a-zA-Z0-9._/-]{0,61}[a-zA-Z0-9])?$/, 'is not a valid label key'),
    z.string().max(63),
  )
  .refine((labels) => Object.keys(labels).length <= 32, 'at most 32 labels')
export type Labels = z.infer<typeof Labels>

// No vowels and no look-alikes: an id is read out loud and never spells a word.
const alphabet = 'bcdfghjklmnpqrstvwxz0123456789'

function spell(bytes: Uint8Array, length: number): string {
  let text = ''
  for (let i = 0; i < length; i++) text += alphabet[(bytes[i] ?? 0) % alphabet.length]
  return text
}

/** A random id of 12 characters (about 58 bits). */
export function randomId(): string {
  return spell(randomBytes(12), 12)
}

/**
 * The id of the `index`-th ship of a request. The same key gives the same ids, so that a repeated
 * request meets the ships of the first one instead of making more.
 */
export function shipIdFor(prefix: string, key: string, index: number): string {
  const digest = createHash('sha256').update(`${key}\n${index}`).digest()
  return `${prefix}-${spell(digest, 8)}`
}
