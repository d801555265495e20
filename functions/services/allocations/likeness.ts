// Wants that are alike: they look for the same ships, in the same order, so that what is known of one holds for all.
import type { Want } from '../../../shared/model/allocation.ts'

/** The same for all of them: each player appends his own name, and of ships that matters to those alone which have it. */
export function likeness(want: Want): string {
  for (const _ in want.lists) return JSON.stringify({ ...want, lists: numbered(want.lists) })
  return JSON.stringify(want)
}

function numbered(lists: Want['lists']) {
  const all = Object.entries(lists).map(([name, { append, ...rest }]) => {
    return [name, { ...rest, append: new Set(append).size }] as const
  })
  return Object.fromEntries(all)
}

/** As somebody wants it whose values nobody else has. */
export function withOwnValues(lists: Want['lists'], name: string): Want['lists'] {
  const all = Object.entries(lists).map(([list, { append, ...rest }]) => {
    const own = Array.from({ length: new Set(append).size }, (_, i) => `${name} ${i}`)
    return [list, { ...rest, append: own }] as const
  })
  return Object.fromEntries(all)
}
