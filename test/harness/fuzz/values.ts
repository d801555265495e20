// Values that fit a JSON Schema, as fast-check arbitraries; and the same values with one thing wrong.
import fc, { type Arbitrary } from 'fast-check'
import type { Document, Schema } from '../../../functions/docs/document.ts'

/** Stands for a value that the API has shown under that name before; chosen when the request is sent. */
export class Known {
  readonly name: string
  readonly pick: number
  readonly fallback: unknown

  constructor(name: string, pick: number, fallback: unknown) {
    this.name = name
    this.pick = pick
    this.fallback = fallback
  }
}

type JsonSchema = Schema & {
  minItems?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  propertyNames?: Schema
}

/** Fields whose whole range would drown the rest. */
const tame: Readonly<Record<string, Arbitrary<unknown>>> = {
  count: fc.integer({ min: 1, max: 20 }),
  create: fc.integer({ min: 0, max: 5 }),
  attempt: fc.integer({ min: 1, max: 3 }),
  waitSeconds: fc.integer({ min: 0, max: 1 }),
}

const deepest = 6

/** @param name of the field or parameter: what was seen under it is used again. */
export function fitting(schema: JsonSchema, document: Document, name = '', depth = 0): Arbitrary<unknown> {
  const plain = tame[name] ?? plainlyFitting(schema, document, name, depth)
  if (!name || !isScalar(resolved(schema, document))) return plain
  const known = fc.tuple(fc.nat(1_000), plain).map(([pick, fallback]) => new Known(name, pick, fallback))
  return fc.oneof({ weight: 3, arbitrary: known }, { weight: 1, arbitrary: plain })
}

function plainlyFitting(
  given: JsonSchema,
  document: Document,
  name: string,
  depth: number,
): Arbitrary<unknown> {
  const schema = resolved(given, document)
  const either = schema.oneOf ?? schema.anyOf
  if (either) return fc.oneof(...either.map((one) => plainlyFitting(one, document, name, depth)))
  if (schema.allOf) {
    const parts = schema.allOf.map((one) => plainlyFitting(one, document, name, depth))
    return fc.tuple(...parts).map((some) => (some.length === 1 ? some[0] : Object.assign({}, ...some)))
  }
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  const types = [schema.type ?? 'any'].flat()
  return fc.oneof(...types.map((type) => ofType(type, schema, document, depth)))
}

function ofType(type: string, schema: JsonSchema, document: Document, depth: number): Arbitrary<unknown> {
  if (type === 'null') return fc.constant(null)
  if (type === 'boolean') return fc.boolean()
  if (type === 'integer' || type === 'number') return numberOf(schema, type === 'integer')
  if (type === 'string') return textOf(schema)
  if (type === 'array') {
    const maxLength = depth > deepest ? 0 : Math.min(schema.maxItems ?? 4, 4)
    const items = schema.items ? fitting(schema.items, document, '', depth + 1) : fc.constant(0)
    return fc.array(items, { minLength: Math.min(schema.minItems ?? 0, maxLength), maxLength })
  }
  if (type === 'object') return objectOf(schema, document, depth)
  return fc.jsonValue({ maxDepth: 1 })
}

function numberOf(schema: JsonSchema, whole: boolean): Arbitrary<number> {
  const min = schema.minimum ?? -1_000_000
  const max = Math.min(schema.maximum ?? 1_000_000, Number.MAX_SAFE_INTEGER)
  const near = fc.integer({ min: Math.ceil(min), max: Math.ceil(Math.min(max, min + 5)) })
  const any = whole
    ? fc.integer({ min: Math.ceil(min), max: Math.floor(max) })
    : fc.double({ min, max, noNaN: true })
  return fc.oneof({ weight: 3, arbitrary: near }, { weight: 2, arbitrary: any }, fc.constantFrom(min, max))
}

function textOf({ format, pattern, minLength = 0, maxLength = 40 }: JsonSchema): Arbitrary<string> {
  if (format === 'date-time') {
    const range = { min: new Date('2020-01-01'), max: new Date('2040-01-01'), noInvalidDate: true }
    return fc.date(range).map((date) => date.toISOString())
  }
  if (pattern) {
    return matching(pattern).map((text) =>
      text.length > maxLength ? text.slice(0, maxLength).replace(/-+$/, 'x') : text,
    )
  }
  return fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, 40) })
}

const byPattern = new Map<string, Arbitrary<string>>()

/** Kept, because making one takes fast-check many ms. */
function matching(pattern: string): Arbitrary<string> {
  const known = byPattern.get(pattern) ?? fc.stringMatching(new RegExp(pattern))
  byPattern.set(pattern, known)
  return known
}

function objectOf(schema: JsonSchema, document: Document, depth: number): Arbitrary<object> {
  const { properties = {}, required = [], additionalProperties, propertyNames } = schema
  const fields = Object.entries(properties).map(([name, one]) => [
    name,
    fitting(one, document, name, depth + 1),
  ])
  const requiredKeys = required.filter((name) => Object.hasOwn(properties, name))
  const named = fc.record<Record<string, unknown>>(Object.fromEntries(fields), { requiredKeys })
  if (typeof additionalProperties !== 'object' || depth > deepest) return named
  // Which keys a record takes is not always in the document.
  const plain = matching('^[a-z]{1,8}$')
  const keys = propertyNames
    ? (plainlyFitting(propertyNames, document, '', depth + 1) as Arbitrary<string>)
    : plain
  const more = fc.dictionary(keys, fitting(additionalProperties, document, '', depth + 1), { maxKeys: 3 })
  return fc.tuple(named, more).map(([a, b]) => ({ ...b, ...a }))
}

export function resolved(schema: JsonSchema, document: Document): JsonSchema {
  const name = schema.$ref?.split('/').at(-1)
  const found = name === undefined ? undefined : document.components?.schemas?.[name]
  return found ? resolved(found, document) : schema
}

function isScalar(schema: JsonSchema): boolean {
  const { type, oneOf, anyOf, allOf } = schema
  if (oneOf || anyOf || allOf || schema.enum || schema.const !== undefined) return false
  return ![type].flat().some((one) => one === 'object' || one === 'array' || one === 'boolean')
}

const nasty = fc.constantFrom<unknown>(
  ...[null, '', ' ', '..', '\u0000', '\ud800', 'x'.repeat(5_000), -1, 0, 1.5, 1e308, -0, 2 ** 53, true],
  ...[[], {}, [[]], { a: 1 }, 'é', '🚢', '../../etc', "' OR 1=1", '%00', 'constructor'],
)

/** The value with one part of it taken away, replaced, doubled or added. */
export function spoiled(whole: Arbitrary<unknown>): Arbitrary<unknown> {
  const way = fc.array(fc.nat(20), { minLength: 1, maxLength: 4 })
  const deed = fc.constantFrom<Deed>('remove', 'replace', 'add', 'wrap')
  return fc.tuple(whole, way, deed, nasty).map(([value, steps, how, bad]) => spoil(value, steps, how, bad))
}

type Deed = 'remove' | 'replace' | 'add' | 'wrap'

function spoil(value: unknown, [step = 0, ...more]: number[], how: Deed, bad: unknown): unknown {
  const isTree = typeof value === 'object' && value !== null && !(value instanceof Known)
  if (!isTree) return how === 'wrap' ? [value] : bad
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>
  if (how === 'add' && more.length === 0)
    copy[Array.isArray(value) ? String(value.length) : 'unheardOf'] = bad
  const keys = Object.keys(copy)
  const key = keys[step % Math.max(keys.length, 1)]
  if (key === undefined || (how === 'add' && more.length === 0)) return copy
  if (how === 'remove' && more.length === 0) delete copy[key]
  else copy[key] = spoil(copy[key], more, how, bad)
  return Array.isArray(value) ? Object.values(copy) : copy
}
