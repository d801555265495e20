// Who waits for a ship: keys in etcd, so that whoever came first is first at every ApiServer.
//
// INVARIANTS
// - The order is that of the revisions at which the keys were written.
// - A key goes in the commit that serves it, and when its time is over; that of a dead ApiServer with its lease.
import type { Want } from '../../shared/model/allocation.ts'
import { randomId } from '../../shared/model/name.ts'
import type { Kv } from './etcd/kv.ts'
import { SharedLease } from './etcd/sharedLease.ts'
import { etcdKeys } from './keys.ts'
import { type Row, Table } from './mirror/table.ts'

export interface Waiter {
  wants: readonly Want[]
  count: number
  /** Whoever still waits then has died. */
  untilMs: number
}

const longestSeconds = 90

export class WaiterStore {
  readonly table = new Table<Waiter>(etcdKeys.waiters)
  #kv: Kv
  #lease: SharedLease

  constructor(kv: Kv) {
    this.#kv = kv
    this.#lease = new SharedLease(kv, longestSeconds, 30_000)
  }

  /** @returns the name of its key. @throws ArmadaError unavailable. */
  async add(waiter: Waiter): Promise<string> {
    const name = randomId()
    try {
      const lease = await this.#lease.id()
      await this.#kv.commit([], [{ put: this.keyOf(name), value: JSON.stringify(waiter), lease }])
      return name
    } catch (error) {
      this.#lease.drop()
      throw error
    }
  }

  keyOf(name: string): string {
    return etcdKeys.waiters + name
  }

  async remove(name: string): Promise<void> {
    await this.#kv.commit([], [{ delete: this.keyOf(name) }])
  }

  /** Those who wait, the first come first. */
  inOrder(nowMs = Date.now()): [string, Row<Waiter>][] {
    return [...this.table.rows()]
      .filter(([, { value }]) => value.untilMs > nowMs)
      .sort(([, a], [, b]) => a.revision - b.revision)
  }
}
