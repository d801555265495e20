// Label selectors as people write them, in Kubernetes' syntax: `region=eu,tier in (a,b),!old`.
import { z } from 'zod'
import type { Labels } from './name.ts'
import { Selector } from './placement.ts'

/** form -> how it is read. The first that fits counts; `=` and `==` say the same. */
const forms: readonly [RegExp, (key: string, values: string) => z.input<typeof Selector>][] = [
  [/^!\s*([^\s=!(),]+)()$/, (key) => ({ key, operator: 'DoesNotExist' })],
  [/^([^\s=!(),]+)()$/, (key) => ({ key, operator: 'Exists' })],
  [/^([^\s=!(),]+)\s*==?\s*([^\s=!(),]*)$/, (key, value) => ({ key, operator: 'In', values: [value] })],
  [/^([^\s=!(),]+)\s*!=\s*([^\s=!(),]*)$/, (key, value) => ({ key, operator: 'NotIn', values: [value] })],
  [/^([^\s=!(),]+)\s+in\s*\(([^()]*)\)$/, (key, list) => ({ key, operator: 'In', values: listed(list) })],
  [
    /^([^\s=!(),]+)\s+notin\s*\(([^()]*)\)$/,
    (key, list) => ({ key, operator: 'NotIn', values: listed(list) }),
  ],
]

const most = 32

/** The query parameter: text that becomes expressions, all of which must hold. */
export const LabelSelector = z
  .string()
  .max(2_048)
  .transform((text, context) => {
    const parts = text.match(/(?:\([^()]*\)|[^,])+/g) ?? []
    if (parts.length > most) context.addIssue({ code: 'custom', message: `at most ${most} expressions` })
    return parts.slice(0, most).flatMap((part) => {
      const selector = parse(part.trim())
      if (!selector) context.addIssue({ code: 'custom', message: unreadable(part.trim()) })
      return selector ?? []
    })
  })
  .describe('As in Kubernetes: `region=eu,tier in (a,b),!old`, `a!=b`, `a notin (b)`, `a`')

function parse(text: string): Selector | undefined {
  for (const [form, read] of forms) {
    const [, key, values = ''] = form.exec(text) ?? []
    if (key !== undefined) return Selector.safeParse(read(key, values)).data
  }
  return undefined
}

function listed(text: string): string[] {
  return text.split(',').map((value) => value.trim())
}

function unreadable(text: string): string {
  return `"${text}" is no label expression: write key=value, key!=value, key in (a,b), key notin (a,b), key or !key`
}

/** Whether all expressions hold. As in Kubernetes, NotIn holds where the label is missing. */
export function selects(selectors: readonly Selector[] | undefined, labels: Labels): boolean {
  return (selectors ?? []).every(({ key, operator, values }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined
    if (operator === 'Exists') return value !== undefined
    if (operator === 'DoesNotExist') return value === undefined
    return (value !== undefined && values.includes(value)) === (operator === 'In')
  })
}
