// Which ApiServers there are: each keeps a key in etcd that goes by itself soon after it has died.
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { loop } from '../../shared/loop.ts'
import { randomId } from '../../shared/model/name.ts'
import type { Kv } from './etcd/kv.ts'
import { etcdKeys } from './keys.ts'
import { Table } from './mirror/table.ts'

const everyMs = 5_000
const keptSeconds = 16

export class ApiServers {
  readonly me = randomId()
  readonly table = new Table<string>(etcdKeys.apiServers, String)
  readonly #kv: Kv
  readonly #log: Log

  constructor(kv: Kv, log: Log) {
    this.#kv = kv
    this.#log = log
  }

  /** Those that are there, oneself always among them. */
  names(): readonly string[] {
    const names = [...this.table.rows()].map(([name]) => name)
    return names.includes(this.me) ? names : [...names, this.me]
  }

  /** Keeps the key until the signal fires, then takes it away. */
  async keep(signal: AbortSignal): Promise<void> {
    const key = etcdKeys.apiServers + this.me
    await loop({ name: 'presence', everyMs, signal, log: this.#log }, async () => {
      // Always with a new lease: it then makes no difference how long etcd was away.
      const lease = await this.#kv.lease(keptSeconds)
      await this.#kv.commit([], [{ put: key, value: 'here', lease }])
    })
    await this.#kv.commit([], [{ delete: key }]).catch((error) => {
      this.#log.debug({ error: messageOf(error) }, 'the key of this ApiServer goes by itself')
    })
  }
}
