// Berths: on which host the kept volumes of a name are, also while no ship has that name.
//
// INVARIANTS
// - It is written before the host may start the ship: where there is a volume, there was a berth.
// - Only the claim that holds writes it: an older attempt that is answered late does not bring it back.
import { ArmadaError } from '../../shared/errors.ts'
import { backoffMs, sleep } from '../../shared/loop.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { isFinished } from '../../shared/model/shipState.ts'
import type { Kv } from './etcd/kv.ts'
import { readRow } from './etcd/rows.ts'
import { etcdKeys } from './keys.ts'
import type { Mirror } from './mirror/mirror.ts'
import { Table } from './mirror/table.ts'
import type { Fence } from './ships.ts'

export interface Berth {
  fleet: string
  host: string
  /** Id of the ship that first kept something there: a later fleet of the same name finds nothing of this one. */
  keeper: string
}

const conflictLimit = 8
const perCommit = 100

export class BerthStore {
  readonly table = new Table<Berth>(etcdKeys.berths)
  #kv: Kv
  #mirror: () => Mirror

  constructor(kv: Kv, mirror: () => Mirror) {
    this.#kv = kv
    this.#mirror = mirror
  }

  /** Writes down that what the ship keeps is on its host. @returns false when the ship has left it meanwhile. */
  async settle({ id, attempt, host, name, fleet }: Ship): Promise<boolean> {
    if (!name || !host || !fleet) return true
    const berth = etcdKeys.berths + name
    // As etcd has it: memory may show what an earlier ship of this name left.
    if ((await readRow<Berth>(this.#kv, berth))?.value.host === host) return true
    for (let tries = 0; tries < conflictLimit; tries++) {
      const key = etcdKeys.ships + id
      const row = await readRow<Ship>(this.#kv, key)
      if (row?.value.attempt !== attempt || row.value.host !== host || isFinished(row.value.state))
        return false
      const value = JSON.stringify({ fleet, host, keeper: id } satisfies Berth)
      const written = await this.#kv.commit([{ key, revision: row.revision }], [{ put: berth, value }])
      if (written !== undefined) {
        await this.#mirror().reach(written)
        return true
      }
      await sleep(backoffMs(tries, 2, 50))
    }
    throw new ArmadaError('unavailable', `Ship "${id}" keeps changing. Try again.`, { retryAfterSeconds: 1 })
  }

  /** The fleet goes, and with it what its names have kept. */
  async forget(fleet: string, fence: Fence): Promise<void> {
    const keys = [...this.table.rows()].flatMap(([name, { value }]) =>
      value.fleet === fleet ? [etcdKeys.berths + name] : [],
    )
    for (let i = 0; i < keys.length; i += perCommit) {
      const some = keys.slice(i, i + perCommit).map((key) => ({ delete: key }))
      if ((await this.#kv.commit([...fence.conditions], some)) === undefined) await fence.check()
    }
  }
}
