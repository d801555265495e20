// Selectors as people write them, in Kubernetes' syntax: `region=eu,tier in (a,b),!old`.

export interface Expression {
  key: string
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt'
  values: string[]
}

type Reading = (key: string, values: string) => Expression

const key = '([^\\s=!(),<>]+)'
const value = '([^\\s=!(),<>]*)'

/** form -> how it is read. `=` and `==` say the same. */
const forms: readonly [RegExp, Reading][] = [
  [new RegExp(`^!\\s*${key}()$`), (key) => ({ key, operator: 'DoesNotExist', values: [] })],
  [new RegExp(`^${key}()$`), (key) => ({ key, operator: 'Exists', values: [] })],
  [new RegExp(`^${key}\\s*==?\\s*${value}$`), (key, one) => ({ key, operator: 'In', values: [one] })],
  [new RegExp(`^${key}\\s*!=\\s*${value}$`), (key, one) => ({ key, operator: 'NotIn', values: [one] })],
  [new RegExp(`^${key}\\s*>\\s*${value}$`), (key, one) => ({ key, operator: 'Gt', values: [one] })],
  [new RegExp(`^${key}\\s*<\\s*${value}$`), (key, one) => ({ key, operator: 'Lt', values: [one] })],
  [
    new RegExp(`^${key}\\s+in\\s*\\(([^()]*)\\)$`),
    (key, list) => ({ key, operator: 'In', values: listed(list) }),
  ],
  [
    new RegExp(`^${key}\\s+notin\\s*\\(([^()]*)\\)$`),
    (key, list) => ({ key, operator: 'NotIn', values: listed(list) }),
  ],
]

const most = 32

/**
 * Reads expressions separated by commas, all of which must hold.
 * @param kind of selector, for messages.
 * @param check says what is wrong with an expression that can be read; '' when it is none of that kind at all.
 */
export function readExpressions(
  text: string,
  kind: 'label' | 'field',
  check: (expression: Expression) => string | undefined,
): { expressions: Expression[]; wrong: string[] } {
  const parts = (text.match(/(?:\([^()]*\)|[^,])+/g) ?? []).map((part) => part.trim())
  const wrong = parts.length > most ? [`at most ${most} expressions`] : []
  const expressions = parts.slice(0, most).flatMap((part) => {
    const expression = parse(part)
    const problem = expression ? check(expression) : ''
    if (problem !== undefined) wrong.push(problem || unreadable(part, kind))
    return expression ?? []
  })
  return { expressions, wrong }
}

function parse(text: string): Expression | undefined {
  for (const [form, read] of forms) {
    const [, key, values = ''] = form.exec(text) ?? []
    if (key !== undefined) return read(key, values)
  }
  return undefined
}

function listed(text: string): string[] {
  return text.split(',').map((value) => value.trim())
}

function unreadable(text: string, kind: string): string {
  const more = kind === 'field' ? 'key>1, ' : ''
  return `"${text.slice(0, 100)}" is no ${kind} expression: write key=value, key!=value, ${more}key in (a,b), key notin (a,b), key or !key`
}
