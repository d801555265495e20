// Long arrays are looked at only as far as they are good: what is wrong with the rest would be said to nobody.
//
// Zod reads on to the end and writes a message for every mistake: 100,000 bad ports of claims took 2.9 s in which
// nobody else was answered. Its own limit on an array's length counts only after that.
import { z } from 'zod'

/** More than this many are not told of one request. */
export const mostMistakes = 20

const { prefixIssues } = z.core.util
const seen = new WeakSet<z.core.$ZodType>()

/** Makes every array that the schema reaches stop early, here and wherever else it is used in this process. */
export function stopEarly(schema: z.core.$ZodType): void {
  if (seen.has(schema)) return
  seen.add(schema)
  if (schema instanceof z.core.$ZodArray) guard(schema)
  for (const part of Object.values(schema._zod.def)) for (const inner of schemasIn(part)) stopEarly(inner)
}

/** Of an array its element, of an object its shape, of a union its options, and so on. */
function schemasIn(part: unknown): z.core.$ZodType[] {
  if (part instanceof z.core.$ZodType) return [part]
  if (typeof part !== 'object' || part === null) return []
  return Object.values(part).filter((one): one is z.core.$ZodType => one instanceof z.core.$ZodType)
}

function guard(array: z.core.$ZodArray): void {
  const { parse, run, def } = array._zod
  const { maximum = Number.POSITIVE_INFINITY } = array._zod.bag as { maximum?: number }
  array._zod.parse = (payload, context) => {
    const { value, issues } = payload
    if (!Array.isArray(value)) return parse(payload, context)
    if (value.length > maximum) {
      issues.push({ code: 'too_big', origin: 'array', maximum, inclusive: true, input: value, inst: array })
      return payload
    }
    const parsed: unknown[] = []
    for (const entry of value) {
      const one = def.element._zod.run({ value: entry, issues: [] }, context)
      if (one instanceof Promise) return parse(payload, context)
      issues.push(...prefixIssues(parsed.length, one.issues))
      if (issues.length >= mostMistakes) break
      parsed.push(one.value)
    }
    payload.value = parsed
    return payload
  }
  // Without checks of its own zod calls it directly.
  if (run === parse) array._zod.run = array._zod.parse
}
