// The store of blueprints: at home in Redis, with a copy in etcd from which an emptied Redis is refilled.
//
// INVARIANTS
// - The head in etcd decides which revision is the latest; it is written in one transaction with the copy.
// - A revision never changes, and no number is given twice, also after a blueprint was deleted. So what
//   Redis or memory once held of a revision stays true.

import type { Redis } from 'ioredis'
import { ArmadaError } from '../../shared/errors.ts'
import { forgetOldest } from '../../shared/forget.ts'
import type { Log } from '../../shared/log.ts'
import { type Blueprint, type BlueprintSpec, specDigest } from '../../shared/model/blueprint.ts'
import { BlueprintCopies, chosen, type Head, readBlueprint } from './blueprintCopies.ts'
import type { Condition, Kv } from './etcd/kv.ts'
import { etcdKeys, redisKeys } from './keys.ts'
import type { Mirror } from './mirror/mirror.ts'
import { Table } from './mirror/table.ts'
import { answeredAll } from './redis/redis.ts'

const remembered = 1_000
const refilledAtOnce = 200

export class BlueprintStore {
  readonly heads = new Table<Head>(etcdKeys.blueprintHeads)
  #kv: Kv
  #copies: BlueprintCopies
  #redis: Redis
  #log: Log
  #mirror: () => Mirror
  #memory = new Map<string, Blueprint>()

  constructor(kv: Kv, redis: Redis, mirror: () => Mirror, log: Log) {
    this.#kv = kv
    this.#copies = new BlueprintCopies(kv)
    this.#redis = redis
    this.#mirror = mirror
    this.#log = log
  }

  /** Makes the next revision, unless the latest says the same. */
  async publish(name: string, spec: BlueprintSpec): Promise<Blueprint> {
    for (;;) {
      const head = await this.#copies.head(name)
      const latest = head && !head.value.deleted ? await this.#revision(name, head.value.revision) : undefined
      if (latest && specDigest(latest.spec) === specDigest(spec)) return latest
      const revision = (head?.value.revision ?? 0) + 1
      const first = head && !head.value.deleted ? head.value.first : revision
      const blueprint: Blueprint = { name, revision, spec, createdAt: new Date().toISOString() }
      const committed = await this.#kv.commit(
        [{ key: etcdKeys.blueprintHeads + name, revision: head?.revision ?? 0 }],
        [
          { put: etcdKeys.blueprintRevision(name, revision), value: JSON.stringify(blueprint) },
          headOf(name, { revision, first, deleted: false }),
        ],
      )
      if (committed === undefined) continue
      // Redis may miss it: it is read from etcd then, and put back.
      await this.#toRedis([blueprint]).catch(() => undefined)
      await this.#mirror().reach(committed)
      return blueprint
    }
  }

  /** @param revision undefined: the latest. */
  async get(name: string, revision?: number): Promise<Blueprint | undefined> {
    const head = this.heads.get(name) ?? (await this.#copies.head(name))
    const number = chosen(head?.value, revision)
    return number === undefined ? undefined : this.#revision(name, number)
  }

  /** The condition under which something may be made of a blueprint: that it is not deleted meanwhile. */
  async guard(name: string): Promise<Condition> {
    const head = await this.#copies.head(name)
    if (head && !head.value.deleted) return { key: etcdKeys.blueprintHeads + name, revision: head.revision }
    throw new ArmadaError('conflict', `Blueprint "${name}" is being deleted. Publish it again first.`)
  }

  /** All revisions, oldest first; none when there is no such blueprint. */
  async revisions(name: string): Promise<Blueprint[]> {
    if (!(await this.get(name))) return []
    return this.#copies.revisions(name)
  }

  /** All names in their order, each with itself, from the first one behind `after`. */
  *names(after = ''): Generator<[string, string]> {
    for (const [name, { value }] of this.heads.rows(after)) if (!value.deleted) yield [name, name]
  }

  /**
   * Deletes all revisions, unless the blueprint is in use. @returns false when there are none.
   * @param assertUnused throws when something uses it; asked once nothing new can be made of it.
   */
  async remove(name: string, assertUnused: () => void): Promise<boolean> {
    for (;;) {
      const head = await this.#copies.head(name)
      if (!head || head.value.deleted) return false
      const key = etcdKeys.blueprintHeads + name
      const marked = [headOf(name, { ...head.value, deleted: true })]
      const committed = await this.#kv.commit([{ key, revision: head.revision }], marked)
      if (committed === undefined) continue
      await this.#mirror().reach(committed)
      try {
        assertUnused()
      } catch (error) {
        await this.#kv.commit([{ key, revision: committed }], [headOf(name, head.value)])
        throw error
      }
      await this.#dropCopies(name, head.value.revision)
      return true
    }
  }

  async #dropCopies(name: string, last: number): Promise<void> {
    const { items } = await this.#kv.list(etcdKeys.blueprintRevisions(name))
    const old = items.filter((item) => parse(item.value).revision <= last)
    for (let i = 0; i < old.length; i += 100) {
      await this.#kv.commit(
        [],
        old.slice(i, i + 100).map(({ key }) => ({ delete: key })),
      )
    }
    await this.#redis.del(redisKeys.blueprint(name)).catch(() => undefined)
  }

  /** Puts every revision that etcd has into Redis. */
  async refill(): Promise<void> {
    const { items } = await this.#kv.list(etcdKeys.blueprints)
    for (let i = 0; i < items.length; i += refilledAtOnce) {
      await this.#toRedis(items.slice(i, i + refilledAtOnce).map((item) => parse(item.value)))
    }
    this.#log.debug({ revisions: items.length }, 'blueprints are in Redis')
  }

  async #revision(name: string, revision: number): Promise<Blueprint | undefined> {
    const known = this.#memory.get(`${name}@${revision}`)
    if (known) return known
    const stored = await this.#redis.hget(redisKeys.blueprint(name), String(revision)).catch(() => null)
    if (stored) return this.#remember(parse(stored))
    const copy = await this.#copies.revision(name, revision)
    if (!copy) return undefined
    const blueprint = this.#remember(copy)
    await this.#toRedis([blueprint]).catch(() => undefined)
    return blueprint
  }

  async #toRedis(blueprints: readonly Blueprint[]): Promise<void> {
    const batch = this.#redis.pipeline()
    for (const blueprint of blueprints) {
      batch.hset(redisKeys.blueprint(blueprint.name), String(blueprint.revision), JSON.stringify(blueprint))
    }
    await answeredAll(batch)
  }

  #remember(blueprint: Blueprint): Blueprint {
    this.#memory.set(`${blueprint.name}@${blueprint.revision}`, blueprint)
    forgetOldest(this.#memory, remembered)
    return blueprint
  }
}

function parse(text: string): Blueprint {
  return readBlueprint(JSON.parse(text))
}

function headOf(name: string, head: Head): { put: string; value: string } {
  return { put: etcdKeys.blueprintHeads + name, value: JSON.stringify(head) }
}
