// Reading single records through to etcd.
import type { KvReader } from './kv.ts'
import type { Row } from './table.ts'

export async function readRow<T>(kv: KvReader, key: string): Promise<Row<T> | undefined> {
  const found = await kv.get(key)
  return found && { value: JSON.parse(found.value), revision: found.revision }
}
