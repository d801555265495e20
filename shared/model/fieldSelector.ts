// Field selectors of lists, `state in (Ready,Allocated),host!=fra-07,attempt>1`, over a table of fields for each resource.
import { z } from 'zod'
import { type Expression, readExpressions } from './expression.ts'

/** One field that can be selected by. */
export interface Field<T> {
  about: string
  of(record: T): string | number | boolean | null | undefined
  /** Text unless it says otherwise; a list: one of these words. */
  is?: 'number' | 'boolean' | readonly string[]
}

export type Fields<T> = Readonly<Record<string, Field<T>>>

/** The query parameter: text that becomes expressions over these fields. */
export function fieldSelector<T>(fields: Fields<T>) {
  const names = Object.keys(fields)
  const abouts = Object.entries(fields).map(([name, { about }]) => `\`${name}\` (${about})`)
  return z
    .string()
    .max(2_048)
    .transform((text, context): readonly Expression[] => {
      const { expressions, wrong } = readExpressions(text, 'field', (expression) => {
        const field = Object.hasOwn(fields, expression.key) ? fields[expression.key] : undefined
        if (field) return misuse(expression, field.is)
        return `"${expression.key.slice(0, 100)}" cannot be selected by; there are ${names.join(', ')}`
      })
      for (const message of wrong) context.addIssue({ code: 'custom', message })
      return expressions
    })
    .describe(
      `In the syntax of \`labelSelector\`, over ${abouts.join(', ')}. \`host=\` and \`!host\`: it has none. Numbers also take \`>\` and \`<\``,
    )
}

function misuse({ key, operator, values }: Expression, is: Field<unknown>['is']): string | undefined {
  const compares = operator === 'Gt' || operator === 'Lt'
  if (compares && is !== 'number') return `"${key}" is no number: it takes neither ">" nor "<"`
  const fits = (value: string): boolean => {
    if (is === undefined) return value.length <= 63
    if (is === 'number') return /^-?\d{1,15}$/.test(value)
    return (is === 'boolean' ? ['true', 'false'] : is).includes(value)
  }
  const wrong = values.find((value) => !fits(value))
  if (wrong === undefined) return undefined
  const wanted = is === 'number' ? 'a whole number' : is === 'boolean' ? 'true or false' : is?.join(', ')
  return `"${wrong.slice(0, 100)}" is no value of "${key}": write ${wanted ?? 'at most 63 characters'}`
}

/** Whether all expressions hold. NotIn holds where the field is empty; of a boolean, Exists says that it is true. */
export function fieldsMatch<T>(
  fields: Fields<T>,
  expressions: readonly Expression[] | undefined,
  record: T,
): boolean {
  return (expressions ?? []).every(({ key, operator, values }) => {
    const field = fields[key]
    const value = field?.is === 'boolean' ? Boolean(field.of(record)) : (field?.of(record) ?? null)
    if (operator === 'Exists') return value !== null && value !== false
    if (operator === 'DoesNotExist') return value === null || value === false
    if (operator === 'Gt') return value !== null && Number(value) > Number(values[0])
    if (operator === 'Lt') return value !== null && Number(value) < Number(values[0])
    return values.some((wanted) => same(value, wanted)) === (operator === 'In')
  })
}

function same(value: string | number | boolean | null, wanted: string): boolean {
  return typeof value === 'number' ? value === Number(wanted) : String(value ?? '') === wanted
}
