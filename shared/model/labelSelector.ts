// Label selectors of lists: `region=eu,tier in (a,b),!old`.
import { z } from 'zod'
import { readExpressions } from './expression.ts'
import type { Labels } from './name.ts'
import { Selector } from './placement.ts'

/** The query parameter: text that becomes expressions, all of which must hold. */
export const LabelSelector = z
  .string()
  .max(2_048)
  .transform((text, context) => {
    const { expressions, wrong } = readExpressions(text, 'label', (expression) =>
      Selector.safeParse(expression).success ? undefined : '',
    )
    for (const message of wrong) context.addIssue({ code: 'custom', message })
    return expressions as Selector[]
  })
  .describe('As in Kubernetes: `region=eu,tier in (a,b),!old`, `a!=b`, `a notin (b)`, `a`')

/** Whether all expressions hold. As in Kubernetes, NotIn holds where the label is missing. */
export function selects(selectors: readonly Selector[] | undefined, labels: Labels): boolean {
  return (selectors ?? []).every(({ key, operator, values }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined
    if (operator === 'Exists') return value !== undefined
    if (operator === 'DoesNotExist') return value === undefined
    return (value !== undefined && values.includes(value)) === (operator === 'In')
  })
}
