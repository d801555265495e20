// The store of quotas, and of their guards: keys that every transaction which makes ships under a quota has to win.
//
// INVARIANTS
// - Whoever makes ships under a quota has counted what was made in all commits up to the guard's revision, and
//   commits only if the guard is still at that revision: so two who count the same room cannot both take it.
// - What a request will make in its later transactions is promised in the guard, and counts until it is made or a
//   while has passed.
// - A quota changes only together with its guard: what was counted with the old limits is counted again.
import { ArmadaError } from '../../shared/errors.ts'
import type { FleetQuota, Use } from '../../shared/model/quota.ts'
import type { Condition, Kv, Write } from './etcd/kv.ts'
import { readRow } from './etcd/rows.ts'
import { etcdKeys } from './keys.ts'
import type { Mirror } from './mirror/mirror.ts'
import { type Row, Table } from './mirror/table.ts'

/** Request -> what it will yet make. */
type Promised = Record<string, Use & { untilMs: number }>

/** No request takes longer; one whose ApiServer died gives its room back after this. */
const promiseMs = 30_000
const conflictLimit = 8

export class Guard {
  readonly key: string
  readonly revision: number
  #promised: Promised

  constructor(key: string, row: Row<Promised> | undefined) {
    this.key = key
    this.revision = row?.revision ?? 0
    const living = Object.entries(row?.value ?? {}).filter(([, { untilMs }]) => untilMs > Date.now())
    this.#promised = Object.fromEntries(living)
  }

  /** What others were promised. */
  promised(holder: string): Use[] {
    return Object.entries(this.#promised).flatMap(([other, use]) => (other === holder ? [] : [use]))
  }

  /** @param later what the holder will make in further transactions; null: nothing. */
  won(holder: string, later: Use | null): { condition: Condition; write: Write } {
    const { [holder]: _, ...others } = this.#promised
    const promised = later ? { ...others, [holder]: { ...later, untilMs: Date.now() + promiseMs } } : others
    return {
      condition: { key: this.key, revision: this.revision },
      write: { put: this.key, value: JSON.stringify(promised) },
    }
  }
}

export class QuotaStore {
  readonly table = new Table<FleetQuota>(etcdKeys.quotas)
  #kv: Kv
  #mirror: () => Mirror

  constructor(kv: Kv, mirror: () => Mirror) {
    this.#kv = kv
    this.#mirror = mirror
  }

  /** @param assert is shown the quota as it is, and throws when it may not be changed. */
  async put(
    quota: FleetQuota,
    assert: (before: Row<FleetQuota> | undefined) => void,
  ): Promise<Row<FleetQuota>> {
    const key = etcdKeys.quotas + quota.name
    for (let tries = 0; tries < conflictLimit; tries++) {
      const [before, guard] = await Promise.all([
        this.read(quota.name),
        this.guard(etcdKeys.quotaGuard(quota.name)),
      ])
      assert(before)
      const { condition, write } = guard.won('', null)
      const revision = await this.#kv.commit(
        [{ key, revision: before?.revision ?? 0 }, condition],
        [{ put: key, value: JSON.stringify(quota) }, write],
      )
      if (revision === undefined) continue
      await this.#mirror().reach(revision)
      return { value: quota, revision }
    }
    throw new ArmadaError('unavailable', `Quota "${quota.name}" keeps changing. Try again.`, {
      retryAfterSeconds: 1,
    })
  }

  /** @returns whether there was one. */
  async remove(name: string): Promise<boolean> {
    if (!(await this.read(name))) return false
    const keys = [etcdKeys.quotas + name, etcdKeys.quotaGuard(name)]
    const revision = await this.#kv.commit(
      [],
      keys.map((key) => ({ delete: key })),
    )
    if (revision !== undefined) await this.#mirror().reach(revision)
    return true
  }

  /** As etcd has it now. */
  async read(name: string): Promise<Row<FleetQuota> | undefined> {
    return readRow(this.#kv, etcdKeys.quotas + name)
  }

  async guard(key: string): Promise<Guard> {
    return new Guard(key, await readRow<Promised>(this.#kv, key))
  }
}
