// Single records in etcd: read through, and changed as they were last seen.
import { ArmadaError } from '../../../shared/errors.ts'
import { backoffMs, sleep } from '../../../shared/loop.ts'
import type { Row } from '../mirror/table.ts'
import type { KeyValue, Kv, KvReader } from './kv.ts'

/** Counters of one ship may be changed by many at once. */
const conflictLimit = 30

export async function readRow<T>(kv: KvReader, key: string): Promise<Row<T> | undefined> {
  const found = await kv.get(key)
  return found && rowOf(found)
}

export function rowOf<T>({ value, revision }: KeyValue): Row<T> {
  return { value: JSON.parse(value), revision }
}

/**
 * Changes a record as `next` says, which is asked again when the record has changed meanwhile.
 * @returns the record as it is then; undefined when there is none.
 */
export async function changeRow<T>(
  kv: Kv,
  key: string,
  next: (row: Row<T>) => T,
): Promise<Row<T> | undefined> {
  for (let tries = 0; tries < conflictLimit; tries++) {
    const row = await readRow<T>(kv, key)
    if (!row) return undefined
    const value = next(row)
    const text = JSON.stringify(value)
    if (text === JSON.stringify(row.value)) return row
    const revision = await kv.commit([{ key, revision: row.revision }], [{ put: key, value: text }])
    if (revision !== undefined) return { value, revision }
    await sleep(backoffMs(Math.min(tries, 5), 1, 30))
  }
  throw new ArmadaError('unavailable', 'The record keeps changing. Try again.', { retryAfterSeconds: 1 })
}
