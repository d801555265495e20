// Pages of lists in the order of ids. A cursor names the last id that was given, not a place: what comes and goes
// meanwhile neither moves the others nor shows them twice, and any ApiServer can go on with it.
import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import type { Paging } from '../../shared/api/fields.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { Env } from '../middleware/authenticate.ts'

export interface Page<T> {
  items: T[]
  nextCursor: string | null
}

type Rows<T> = Iterable<readonly [string, T]> | AsyncIterable<readonly [string, T]>

/**
 * @param from the entries that match, in the order of their ids, from the first one behind `after`.
 * @throws ArmadaError invalid_request for a cursor that this list did not give with these filters.
 */
export async function pageOf<T>(
  c: Context<Env>,
  { limit, cursor }: Paging,
  from: (after: string) => Rows<T>,
): Promise<Page<T>> {
  const list = listOf(c)
  const items: T[] = []
  let last = ''
  for await (const [id, item] of from(cursor === undefined ? '' : idIn(cursor, list))) {
    if (items.length === limit) return { items, nextCursor: cursorOf(list, last) }
    items.push(item)
    last = id
  }
  return { items, nextCursor: null }
}

/** What a cursor belongs to: the path and all that narrows the list. */
function listOf(c: Context<Env>): string {
  const { limit: _, cursor: __, consistent: ___, ...filters } = c.req.query()
  return JSON.stringify([c.req.path, Object.entries(filters).sort()])
}

const digestBytes = 9

// A digest and no signature: it finds mistakes, and an id that somebody makes up shows nothing that the list does not.
function cursorOf(list: string, id: string): string {
  const digest = createHash('sha256').update(`${list}\n${id}`).digest().subarray(0, digestBytes)
  return Buffer.concat([digest, Buffer.from(id)]).toString('base64url')
}

function idIn(cursor: string, list: string): string {
  const id = Buffer.from(cursor, 'base64url').subarray(digestBytes).toString()
  if (id && cursorOf(list, id) === cursor) return id
  throw new ArmadaError(
    'invalid_request',
    'In the query, cursor: this list did not give it. Send `nextCursor` as it came, with the same filters, or begin anew without one.',
  )
}
