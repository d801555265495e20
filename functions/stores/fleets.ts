// The store of fleets: records in etcd, and the one transaction that makes a fleet's ships.
import type { Fleet } from '../../shared/model/fleet.ts'
import type { Ship } from '../../shared/model/ship.ts'
import type { Kv } from './etcd/kv.ts'
import { readRow } from './etcd/rows.ts'
import { etcdKeys } from './keys.ts'
import type { Mirror } from './mirror/mirror.ts'
import { type Row, Table } from './mirror/table.ts'
import { absent, type Fence, type Leave, put } from './ships.ts'

export class FleetStore {
  readonly table = new Table<Fleet>(etcdKeys.fleets)
  #kv: Kv
  #mirror: () => Mirror

  constructor(kv: Kv, mirror: () => Mirror) {
    this.#kv = kv
    this.#mirror = mirror
  }

  /** Reads through to etcd. */
  async read(name: string): Promise<Row<Fleet> | undefined> {
    return readRow(this.#kv, etcdKeys.fleets + name)
  }

  /**
   * Writes a fleet, and with it the new ships made for it, if it is still as it was at `revision` (0: new).
   * @param ships at most 100.
   * @param further what else must hold, such as a leader's fence.
   * @returns undefined when the fleet has changed meanwhile.
   */
  async write(
    fleet: Fleet,
    revision: number,
    ships: readonly Ship[] = [],
    further: Partial<Leave> = {},
  ): Promise<Row<Fleet> | undefined> {
    const key = etcdKeys.fleets + fleet.name
    const conditions = [{ key, revision }, ...ships.map(absent), ...(further.conditions ?? [])]
    const writes = [{ put: key, value: JSON.stringify(fleet) }, ...ships.map(put), ...(further.writes ?? [])]
    const written = await this.#kv.commit(conditions, writes)
    if (written === undefined) return undefined
    await this.#mirror().reach(written)
    return { value: fleet, revision: written }
  }

  /** @returns whether it was deleted; false when it has changed meanwhile. */
  async remove(name: string, revision: number, fence: Fence): Promise<boolean> {
    const key = etcdKeys.fleets + name
    const written = await this.#kv.commit([{ key, revision }, ...fence.conditions], [{ delete: key }])
    if (written === undefined) return false
    await this.#mirror().reach(written)
    return true
  }
}
