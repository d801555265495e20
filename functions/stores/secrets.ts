// The store of secrets: sealed records in etcd, read when they are needed and kept in nobody's memory.
import type { KeyValue, Kv } from './etcd/kv.ts'
import { etcdKeys } from './keys.ts'
import type { Seal } from './seal.ts'

interface SecretRecord {
  /** As Seal closed it. */
  sealed: string
  updatedAt: string
}

export interface StoredSecret {
  name: string
  revision: number
  updatedAt: string
  sealed: boolean
}

export class SecretStore {
  readonly #kv: Kv
  readonly #seal: Seal

  constructor(kv: Kv, seal: Seal) {
    this.#kv = kv
    this.#seal = seal
  }

  async put(name: string, value: string): Promise<StoredSecret> {
    const record: SecretRecord = {
      sealed: this.#seal.close(value, placeOf(name)),
      updatedAt: new Date().toISOString(),
    }
    const text = JSON.stringify(record)
    const revision = (await this.#kv.commit([], [{ put: etcdKeys.secrets + name, value: text }])) ?? 0
    return shown({ key: etcdKeys.secrets + name, value: text, revision })
  }

  /** By name, without the values. */
  async list(): Promise<StoredSecret[]> {
    return (await this.#kv.list(etcdKeys.secrets)).items.map(shown)
  }

  /** @returns undefined when there is none; null when it was sealed with another key. */
  async open(name: string): Promise<string | null | undefined> {
    const found = await this.#kv.get(etcdKeys.secrets + name)
    if (!found) return undefined
    const { sealed } = JSON.parse(found.value) as SecretRecord
    return this.#seal.open(sealed, placeOf(name)) ?? null
  }

  /** @returns whether it was there. */
  async remove(name: string): Promise<boolean> {
    const key = etcdKeys.secrets + name
    const found = await this.#kv.get(key)
    if (found) await this.#kv.commit([], [{ delete: key }])
    return found !== undefined
  }
}

/** Not the name alone: a webhook of the same name has its own place. */
function placeOf(name: string): string {
  return `secret/${name}`
}

function shown({ key, value, revision }: KeyValue): StoredSecret {
  const { sealed, updatedAt } = JSON.parse(value) as SecretRecord
  const name = key.slice(etcdKeys.secrets.length)
  return { name, revision, updatedAt, sealed: sealed.startsWith('sealed:') }
}
