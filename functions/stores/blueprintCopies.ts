// Blueprints as etcd has them: the head says which revision is the latest, and every revision has a copy.
import type { Blueprint } from '../../shared/model/blueprint.ts'
import { etcdKeys } from './keys.ts'
import type { KvReader } from './kv.ts'
import { readRow } from './rows.ts'
import type { Row } from './table.ts'

export interface Head {
  revision: number
  deleted: boolean
}

export class BlueprintCopies {
  #kv: KvReader

  constructor(kv: KvReader) {
    this.#kv = kv
  }

  /** @param revision undefined: the latest. */
  async get(name: string, revision?: number): Promise<Blueprint | undefined> {
    const head = await this.head(name)
    if (!head || head.value.deleted) return undefined
    return this.revision(name, revision ?? head.value.revision)
  }

  /** All revisions, oldest first. */
  async revisions(name: string): Promise<Blueprint[]> {
    const { items } = await this.#kv.list(etcdKeys.blueprintRevisions(name))
    return items.map((item) => JSON.parse(item.value))
  }

  async head(name: string): Promise<Row<Head> | undefined> {
    return readRow(this.#kv, etcdKeys.blueprintHeads + name)
  }

  async revision(name: string, revision: number): Promise<Blueprint | undefined> {
    const row = await readRow<Blueprint>(this.#kv, etcdKeys.blueprintRevision(name, revision))
    return row?.value
  }
}
