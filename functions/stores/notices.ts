// What people should know of the cluster: in etcd, because the controllers say it once, when it changes.
import { ArmadaError } from '../../shared/errors.ts'
import type { Kv } from './etcd/kv.ts'
import { etcdKeys } from './keys.ts'
import type { Mirror } from './mirror/mirror.ts'
import { Table } from './mirror/table.ts'
import type { Fence } from './ships.ts'

const stormBrake = 'storm-brake'

export class NoticeStore {
  readonly table = new Table<string>(etcdKeys.notices, String)
  #kv: Kv
  #mirror: () => Mirror

  constructor(kv: Kv, mirror: () => Mirror) {
    this.#kv = kv
    this.#mirror = mirror
  }

  /** Why lost ships are not replaced at present; null when they are. */
  get stormBrake(): string | null {
    return this.table.get(stormBrake)?.value ?? null
  }

  /** @throws ArmadaError stale_epoch. */
  async say(text: string | null, fence: Fence): Promise<void> {
    const key = etcdKeys.notices + stormBrake
    const write = text === null ? { delete: key } : { put: key, value: text }
    const written = await this.#kv.commit([...fence.conditions], [write])
    if (written !== undefined) return this.#mirror().reach(written)
    await fence.check()
    throw new ArmadaError('unavailable', 'The notice could not be written. Try again.', {
      retryAfterSeconds: 1,
    })
  }
}
