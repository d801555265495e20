// Schemas as tables of fields: name, type, what it means and what it must fit.
import { html } from 'hono/html'
import type { Schema } from './document.ts'
import { type Html, prose } from './prose.ts'

/** Deeper than this a field only says its type. */
const deepest = 4

/** Fields of an object; of anything else its type. */
export function schemaTable(schema: Schema, depth = 0): Html {
  const inner = objectIn(schema)
  if (!inner?.properties) {
    const kinds = choicesOf(schema).filter((choice) => choice.properties)
    if (kinds.length === 0) return html`<p class="type">${typeOf(schema)}</p>`
    return html`${kinds.map((one) => folded(one, depth + 1))}`
  }
  const required = new Set(inner.required)
  const rows = Object.entries(inner.properties).map(([name, field]) =>
    row(name, field, required.has(name), depth),
  )
  return html`<table class="fields"><tbody>${rows}</tbody></table>`
}

function row(name: string, field: Schema, required: boolean, depth: number): Html {
  const nested = depth < deepest ? nestedIn(field) : []
  const star = required ? html`<b title="must be sent">*</b>` : ''
  const told = field.description ? prose(field.description) : ''
  const fields = nested.map((one) => folded(one, depth + 1))
  // Without white space in between: there are more than a thousand rows.
  const kind = html`<span class="type">${typeOf(field)}</span> <span class="rule">${rulesOf(field).join(' · ')}</span>`
  return html`<tr><th><code>${name}</code>${star}</th><td>${kind}${told}${fields}</td></tr>`
}

function folded(schema: Schema, depth: number): Html {
  return html`<details><summary>${titleOf(schema)}</summary>${schemaTable(schema, depth)}</details>`
}

/** The object itself, or what a list or a nullable value has in it. */
function objectIn(schema: Schema): Schema | undefined {
  if (schema.properties) return schema
  if (schema.items) return objectIn(schema.items)
  const choices = choicesOf(schema)
  if (schema.allOf && choices.length === 0) return schema.allOf.map(objectIn).find(Boolean)
  return choices.length === 1 ? objectIn(choices[0] as Schema) : undefined
}

function nestedIn(field: Schema): Schema[] {
  const one = objectIn(field)
  if (one) return [one]
  const list = field.items ? choicesOf(field.items) : choicesOf(field)
  return list.map(objectIn).filter((choice) => choice !== undefined)
}

function titleOf(schema: Schema): string {
  const kind = Object.entries(schema.properties ?? {}).find(
    ([, field]) => field.const ?? field.enum?.length === 1,
  )
  if (!kind) return 'its fields'
  const [name, field] = kind
  return `${name} ${JSON.stringify(field.const ?? field.enum?.[0])}`
}

/** What it may be, but for null. */
function choicesOf({ anyOf, oneOf }: Schema): Schema[] {
  return [...(anyOf ?? oneOf ?? [])].filter((choice) => choice.type !== 'null')
}

function typeOf(schema: Schema): Html | string {
  if (schema.$ref) return reference(schema.$ref)
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf
  if (choices) return html`${choices.map((choice, i) => html`${i > 0 ? ' | ' : ''}${typeOf(choice)}`)}`
  if (schema.items) return html`list of ${typeOf(schema.items)}`
  if (schema.additionalProperties instanceof Object)
    return html`map of ${typeOf(schema.additionalProperties)}`
  if (typeof schema.type === 'string') return schema.format ?? schema.type
  return schema.type?.join(' | ') ?? 'anything'
}

function reference(ref: string): Html {
  const name = ref.split('/').at(-1)
  return html`<a href="#schema-${name}">${name}</a>`
}

function rulesOf(schema: Schema): string[] {
  const { minimum, maximum, maxLength, maxItems, default: byDefault } = schema
  // The bounds of safe integers are no news.
  const from = minimum !== undefined && Math.abs(minimum) < 2 ** 53 - 1 ? minimum : undefined
  const to = maximum !== undefined && Math.abs(maximum) < 2 ** 53 - 1 ? maximum : undefined
  const rules: string[] = []
  if (from !== undefined && to !== undefined) rules.push(`${from} to ${to}`)
  else if (from !== undefined) rules.push(`at least ${from}`)
  else if (to !== undefined) rules.push(`at most ${to}`)
  if (maxLength !== undefined) rules.push(`at most ${maxLength} characters`)
  if (maxItems !== undefined) rules.push(`at most ${maxItems} entries`)
  if (schema.pattern && !schema.format) rules.push(schema.pattern)
  if (byDefault !== undefined) rules.push(`default ${JSON.stringify(byDefault)}`)
  return rules
}
