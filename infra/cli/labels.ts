// Labels on the command line: how they are changed, selected by and shown.

/** @throws Error that says how a change is written. */
export function labelChanges(texts: readonly string[]): Record<string, string | null> {
  return Object.fromEntries(texts.map(labelChange))
}

function labelChange(text: string): [string, string | null] {
  const [, key = '', value = ''] = /^([^=]+)=(.*)$/.exec(text) ?? []
  if (key) return [key, value]
  if (text.endsWith('-')) return [text.slice(0, -1), null]
  throw new Error(`"${text}" is no change of a label. Write key=value to set one, key- to take one away.`)
}

/** The part of a query that selects by labels and fields. */
export function selected({ selector, where }: { selector?: string | undefined; where?: string | undefined }) {
  return {
    ...(selector !== undefined && { labelSelector: selector }),
    ...(where !== undefined && { fieldSelector: where }),
  }
}

export function labelText(labels: Record<string, string>): string {
  const shown = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  return shown.join(', ') || 'no labels'
}
