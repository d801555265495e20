// The names in a query: one that a route does not know would narrow nothing, and whoever asked would not hear of it.
import type { MiddlewareHandler } from 'hono'
import { ArmadaError } from '../../shared/errors.ts'

/** @param own the names that the route takes itself. */
export function knownQuery(own: readonly string[]): MiddlewareHandler {
  // Every route takes that one: see `freshness`.
  const known = new Set([...own, 'consistent'])
  return (c, next) => {
    const at = c.req.url.indexOf('?')
    if (at >= 0) {
      for (const name of new URLSearchParams(c.req.url.slice(at)).keys())
        if (!known.has(name)) throw unknown(name, own)
    }
    return next()
  }
}

function unknown(name: string, own: readonly string[]): ArmadaError {
  const takes = own.length > 0 ? `it takes ${own.join(', ')}` : 'it takes none'
  const path = name.slice(0, 64)
  const message = `is not known here; ${takes}`
  return new ArmadaError('invalid_request', `In the query, ${path}: ${message}.`, {
    issues: [{ path, message }],
  })
}
