// The store of ships: records in etcd, created once and changed only as they were last seen.
//
// INVARIANTS
// - Every write is guarded by the record's revision; a change decided on an old picture is decided again.
// - Writes of a leader are guarded by its epoch in the same transaction.
import { ArmadaError } from '../../shared/errors.ts'
import { backoffMs, sleep } from '../../shared/loop.ts'
import type { Ship } from '../../shared/model/ship.ts'
import type { Condition, Kv, Part, Write } from './etcd/kv.ts'
import { changeRow, readRow, rowOf } from './etcd/rows.ts'
import { etcdKeys } from './keys.ts'
import type { Mirror } from './mirror/mirror.ts'
import { ShipIndex } from './mirror/shipIndex.ts'
import { type Row, Table } from './mirror/table.ts'
import { UseIndex } from './mirror/useIndex.ts'

/** Decides the next record of a ship; undefined leaves it as it is. Asked again with a newer record; the last word counts. */
export type Decide = (ship: Ship) => Ship | undefined

/** The fence of a leader: the conditions under which its writes count. */
export interface Fence {
  conditions: readonly Condition[]
  /** Throws stale_epoch when a newer leader is known. */
  check(): Promise<void>
  /** What the transaction writes besides; for one of `update`, with at most `shipsPerCommit` ships. */
  writes?: readonly Write[]
}

/** What a transaction that makes ships has to hold besides. */
export interface Leave {
  conditions: readonly Condition[]
  writes: readonly Write[]
}

// A transaction takes at most 128 operations; the fence and a fleet record need room beside the ships.
export const shipsPerCommit = 100
/** Ships that ended or crashed carry their last lines, up to 120 kB each in the worst case. */
export const largeShipsPerCommit = 10
const conflictLimit = 8
/** Where many want the last room of a quota, all but one of them count anew every time. */
const crowdLimit = 100

export class ShipStore {
  readonly table = new Table<Ship>(etcdKeys.ships)
  readonly index = new ShipIndex(this.table)
  readonly use = new UseIndex(this.table)
  #kv: Kv
  #mirror: () => Mirror

  constructor(kv: Kv, mirror: () => Mirror) {
    this.#kv = kv
    this.#mirror = mirror
  }

  /** From memory; a ship that is not there (yet) is looked for in etcd. */
  async get(id: string): Promise<Row<Ship> | undefined> {
    return this.table.get(id) ?? this.read(id)
  }

  /**
   * Records new ships. Ships of the same ids that came from the same request count as made.
   * @param leave gives what else must hold, for ships of the next transaction and those that come later; asked again when a commit failed, and throws when it cannot hold.
   * @throws ArmadaError key_reused when an id belongs to another request.
   */
  async create(
    ships: readonly Ship[],
    leave: (ships: readonly Ship[], later: readonly Ship[]) => Promise<Leave>,
  ): Promise<Row<Ship>[]> {
    const made: Row<Ship>[] = []
    for (let i = 0; i < ships.length; i += shipsPerCommit) {
      const later = ships.slice(i + shipsPerCommit)
      const chunk = ships.slice(i, i + shipsPerCommit)
      made.push(...(await this.#createChunk(chunk, (missing) => leave(missing, later))))
    }
    await this.#mirror().reach(Math.max(0, ...made.map((row) => row.revision)))
    return made
  }

  async #createChunk(
    ships: readonly Ship[],
    leave: (ships: readonly Ship[]) => Promise<Leave>,
  ): Promise<Row<Ship>[]> {
    let missing = ships
    const found: Row<Ship>[] = []
    for (let tries = 0, limit = conflictLimit; tries < limit; tries++) {
      const { conditions, writes } = await leave(missing)
      const revision = await this.#kv.commit(
        [...conditions, ...missing.map(absent)],
        [...writes, ...missing.map(put)],
      )
      if (revision !== undefined) return [...found, ...missing.map((value) => ({ value, revision }))]
      const known = await Promise.all(missing.map((ship) => this.read(ship.id)))
      for (const [i, row] of known.entries()) {
        if (!row) continue
        if (row.value.requestDigest !== missing[i]?.requestDigest) throw keyReused()
        found.push(row)
      }
      missing = missing.filter((_, i) => !known[i])
      if (missing.length === 0) return found
      if (writes.length > 0) {
        limit = crowdLimit
        await sleep(backoffMs(Math.min(tries, 5), 1, 30))
      }
    }
    throw busy('ships')
  }

  /**
   * Changes ships as `decide` says. Those it leaves alone, and those that are gone, are not in the answer.
   * @param fence of the leader that wants it; without one the change is not fenced.
   * @param perCommit fewer than usual where records may be large: etcd takes 1.5 MB at once.
   */
  async update(
    ids: readonly string[],
    decide: Decide,
    fence?: Fence,
    perCommit = shipsPerCommit,
  ): Promise<Map<string, Row<Ship>>> {
    const changed = new Map<string, Row<Ship>>()
    for (let i = 0; i < ids.length; i += perCommit) {
      const chunk = ids.slice(i, i + perCommit)
      for (const row of await this.#updateChunk(chunk, decide, fence)) changed.set(row.value.id, row)
    }
    await this.#mirror().reach(Math.max(0, ...[...changed.values()].map((row) => row.revision)))
    return changed
  }

  /** Changes one ship, whose revision `next` may look at. @returns undefined when there is none. */
  async change(id: string, next: (row: Row<Ship>) => Ship): Promise<Row<Ship> | undefined> {
    const row = await changeRow(this.#kv, etcdKeys.ships + id, next)
    if (row) await this.#mirror().reach(row.revision)
    return row
  }

  async #updateChunk(ids: readonly string[], decide: Decide, fence: Fence | undefined): Promise<Row<Ship>[]> {
    const rows = await Promise.all([...new Set(ids)].map((id) => this.#settled(id, decide)))
    const together = await this.#commit(rows, decide, fence)
    if (together) return together
    return fence?.writes?.length
      ? this.#updateTogether(ids, decide, fence)
      : this.#updateEach(rows, decide, fence)
  }

  /** What is written besides the ships is written with all of them or not at all. */
  async #updateTogether(ids: readonly string[], decide: Decide, fence: Fence): Promise<Row<Ship>[]> {
    for (let tries = 0; tries < conflictLimit; tries++) {
      await fence.check()
      const rows = await Promise.all([...new Set(ids)].map((id) => this.read(id)))
      const changed = await this.#commit(rows, decide, fence)
      if (changed) return changed
      await sleep(backoffMs(Math.min(tries, 5), 1, 30))
    }
    throw busy(`${ids.length} ships, or what goes with them,`)
  }

  /**
   * One of them has moved on: each is decided on its own, on what etcd has now. Still in one commit: while a
   * thousand hosts claim what a leader reports, nearly every hundred ships have one that has moved on.
   */
  async #updateEach(
    rows: readonly (Row<Ship> | undefined)[],
    decide: Decide,
    fence: Fence | undefined,
  ): Promise<Row<Ship>[]> {
    const changed: Row<Ship>[] = []
    let open = rows
    for (let tries = 0; tries < conflictLimit; tries++) {
      const next = open.flatMap((row) => {
        const value = row && decide(row.value)
        return value ? [{ value, part: partOf(value, row.revision, fence) }] : []
      })
      if (next.length === 0) return changed
      const results = await this.#kv.commitEach(next.map(({ part }) => part))
      open = results.flatMap((result, i) => {
        if ('found' in result) return [result.found[0] && rowOf<Ship>(result.found[0])]
        changed.push({ value: (next[i] as (typeof next)[number]).value, revision: result.revision })
        return []
      })
      if (open.length > 0) await fence?.check()
    }
    if (open.length > 0) throw busy(open.length === 1 ? `ship ${open[0]?.value.id}` : `${open.length} ships`)
    return changed
  }

  /** From memory if the decision changes it; a ship to be left alone is read anew, because memory may lag behind. */
  async #settled(id: string, decide: Decide): Promise<Row<Ship> | undefined> {
    const row = this.table.get(id)
    return row && decide(row.value) ? row : this.read(id)
  }

  /** @returns the changed rows, or undefined when a condition did not hold. */
  async #commit(
    rows: (Row<Ship> | undefined)[],
    decide: Decide,
    fence?: Fence,
  ): Promise<Row<Ship>[] | undefined> {
    const conditions: Condition[] = fence ? [...fence.conditions] : []
    const next: Ship[] = []
    for (const row of rows) {
      const value = row && decide(row.value)
      if (!value) continue
      conditions.push({ key: etcdKeys.ships + value.id, revision: row.revision })
      next.push(value)
    }
    if (next.length === 0) return []
    const revision = await this.#kv.commit(conditions, [...(fence?.writes ?? []), ...next.map(put)])
    return revision === undefined ? undefined : next.map((value) => ({ value, revision }))
  }

  /** Deletes the records of ships for which `mayForget` holds. @returns the ids that are gone. */
  async forget(ids: readonly string[], mayForget: (ship: Ship) => boolean, fence: Fence): Promise<string[]> {
    const gone: string[] = []
    for (const id of ids) {
      const row = await this.read(id)
      if (!row || !mayForget(row.value)) continue
      const key = etcdKeys.ships + id
      const revision = await this.#kv.commit(
        [...fence.conditions, { key, revision: row.revision }],
        [{ delete: key }],
      )
      if (revision !== undefined) gone.push(id)
      else await fence.check()
    }
    return gone
  }

  /** As etcd has it now. */
  async read(id: string): Promise<Row<Ship> | undefined> {
    return readRow(this.#kv, etcdKeys.ships + id)
  }
}

export function absent(ship: Ship): Condition {
  return { key: etcdKeys.ships + ship.id, revision: 0 }
}

export function put(ship: Ship): { put: string; value: string } {
  return { put: etcdKeys.ships + ship.id, value: JSON.stringify(ship) }
}

function partOf(ship: Ship, revision: number, fence: Fence | undefined): Part {
  const key = etcdKeys.ships + ship.id
  return {
    conditions: [...(fence?.conditions ?? []), { key, revision }],
    writes: [put(ship)],
    otherwise: [key],
  }
}

function keyReused(): ArmadaError {
  return new ArmadaError(
    'key_reused',
    'This Idempotency-Key already made ships from another request. Use a new key for a new intention.',
  )
}

function busy(what: string): ArmadaError {
  return new ArmadaError(
    'unavailable',
    `${what} changed ${conflictLimit} times while being written. Try again.`,
    {
      retryAfterSeconds: 1,
    },
  )
}
