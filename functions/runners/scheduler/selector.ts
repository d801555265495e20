// Label expressions: whether a host matches one, and how to say it to a person.
import type { Labels } from '../../../shared/model/name.ts'
import type { Selector } from '../../../shared/model/placement.ts'

export function matches({ key, operator, values }: Selector, labels: Labels): boolean {
  const value = labels[key]
  switch (operator) {
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
  }
}

/** What is wrong with a host that does not match. */
export function mismatch({ key, operator, values }: Selector): string {
  const listed = values.length > 3 ? `${values.slice(0, 3).join(', ')} …` : values.join(', ')
  switch (operator) {
    case 'Exists':
      return `no label ${key}`
    case 'DoesNotExist':
      return `has label ${key}`
    case 'In':
      return `label ${key} not in ${listed}`
    case 'NotIn':
      return `label ${key} in ${listed}`
  }
}
