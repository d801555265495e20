// Which methods a path answers: asked only when none has, so it need not be fast.
import { METHOD_NAME_ALL } from 'hono/router'
import type { RouterRoute } from 'hono/types'

/** The methods of all routes that fit the path, in the order of the alphabet; none when there is no such path. */
export function methodsOf(routes: readonly RouterRoute[], path: string): string[] {
  const methods = new Set<string>()
  for (const route of routes) {
    if (route.method === METHOD_NAME_ALL || !fits(route.path, path)) continue
    methods.add(route.method)
    if (route.method === 'GET') methods.add('HEAD')
  }
  return [...methods].sort()
}

/** `/v1/ships/:ship` fits `/v1/ships/arena-1`. */
function fits(pattern: string, path: string): boolean {
  const [parts, asked] = [pattern.split('/'), path.split('/')]
  if (parts.length !== asked.length) return false
  return parts.every((part, i) => (part.startsWith(':') ? asked[i] !== '' : part === asked[i]))
}
