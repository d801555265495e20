// The newest epoch of each kind of leader: writes of older leaders are refused.
import { ArmadaError } from '../../shared/errors.ts'
import { etcdKeys } from './keys.ts'
import type { Kv } from './kv.ts'
import type { Fence } from './ships.ts'
import { Table } from './table.ts'

export type LeaderKind = 'scheduler' | 'controllers'

export class EpochStore {
  readonly table = new Table<number>(etcdKeys.epochs, Number)
  #kv: Kv

  constructor(kv: Kv) {
    this.#kv = kv
  }

  /**
   * The fence for a write of the leader with this epoch. An epoch higher than any before takes over.
   * @throws ArmadaError stale_epoch when a newer leader has written already.
   */
  async fence(kind: LeaderKind, epoch: number): Promise<Fence> {
    if (this.table.get(kind)?.value !== epoch) await this.#advance(kind, epoch)
    const key = etcdKeys.epochs + kind
    return { conditions: [{ key, value: String(epoch) }], check: () => this.#advance(kind, epoch) }
  }

  async #advance(kind: LeaderKind, epoch: number): Promise<void> {
    const key = etcdKeys.epochs + kind
    for (;;) {
      const known = await this.#kv.get(key)
      const newest = known ? Number(known.value) : 0
      if (newest === epoch) return
      if (newest > epoch) {
        throw new ArmadaError(
          'stale_epoch',
          `A leader with epoch ${newest} has taken over from epoch ${epoch}. Step down and stand for election again.`,
        )
      }
      const condition = { key, revision: known?.revision ?? 0 }
      if ((await this.#kv.commit([condition], [{ put: key, value: String(epoch) }])) !== undefined) return
    }
  }
}
