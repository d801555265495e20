// Blueprints as etcd has them: the head says which revision is the latest, and every revision has a copy.
import { Blueprint } from '../../shared/model/blueprint.ts'
import type { KvReader } from './etcd/kv.ts'
import { readRow } from './etcd/rows.ts'
import { etcdKeys } from './keys.ts'
import type { Row } from './mirror/table.ts'

export interface Head {
  /** The latest. */
  revision: number
  /** Revisions before this one were deleted, whatever a cache still holds of them. */
  first: number
  deleted: boolean
}

/** The revision that is asked for, if the blueprint has it. @param revision undefined: the latest. */
export function chosen(head: Head | undefined, revision: number | undefined): number | undefined {
  if (!head || head.deleted || (revision !== undefined && revision < head.first)) return undefined
  return revision ?? head.revision
}

/** Fields that came after it was stored have their defaults; what a newer ApiServer wrote is taken as it is. */
export function readBlueprint(stored: unknown): Blueprint {
  const { data } = Blueprint.safeParse(stored)
  return data ?? (stored as Blueprint)
}

export class BlueprintCopies {
  #kv: KvReader

  constructor(kv: KvReader) {
    this.#kv = kv
  }

  /** @param revision undefined: the latest. */
  async get(name: string, revision?: number): Promise<Blueprint | undefined> {
    const number = chosen((await this.head(name))?.value, revision)
    return number === undefined ? undefined : this.revision(name, number)
  }

  /** All revisions, oldest first. */
  async revisions(name: string): Promise<Blueprint[]> {
    const { items } = await this.#kv.list(etcdKeys.blueprintRevisions(name))
    return items.map((item) => readBlueprint(JSON.parse(item.value)))
  }

  async head(name: string): Promise<Row<Head> | undefined> {
    return readRow(this.#kv, etcdKeys.blueprintHeads + name)
  }

  async revision(name: string, revision: number): Promise<Blueprint | undefined> {
    const row = await readRow<Blueprint>(this.#kv, etcdKeys.blueprintRevision(name, revision))
    return row && readBlueprint(row.value)
  }
}
