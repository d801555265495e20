// The store of image pulls: what was asked for, which hosts pull at the moment, and what became of it on each.
//
// INVARIANTS
// - A host pulls only while it is among the holders, which are never more than the pull's parallelism: they are one
//   key, which every change guards by revision.
// - A host's outcome is written in the transaction that takes it from the holders, and never for a pull that is gone.
// - All keys of a pull have its lease: etcd forgets them together.
import { ArmadaError } from '../../shared/errors.ts'
import { backoffMs, sleep } from '../../shared/loop.ts'
import type { ImagePull, PullEnd, PullOutcome } from '../../shared/model/imagePull.ts'
import type { Kv } from './etcd/kv.ts'
import { readRow } from './etcd/rows.ts'
import { etcdKeys } from './keys.ts'
import type { Mirror } from './mirror/mirror.ts'
import { type Row, Table } from './mirror/table.ts'

/** Host -> since when it pulls, in ISO 8601. */
export type Holders = Readonly<Record<string, string>>

const conflictLimit = 30

export class ImagePullStore {
  readonly table = new Table<ImagePull>(etcdKeys.imagePulls)
  readonly holders = new Table<Holders>(etcdKeys.imagePullHolders)
  /** By `{pull}/{host}`. */
  readonly outcomes = new Table<PullOutcome>(etcdKeys.imagePullOutcomes)
  #kv: Kv
  #mirror: () => Mirror

  constructor(kv: Kv, mirror: () => Mirror) {
    this.#kv = kv
    this.#mirror = mirror
  }

  async create(wanted: Omit<ImagePull, 'lease'>): Promise<Row<ImagePull>> {
    const seconds = Math.ceil((Date.parse(wanted.keptUntil) - Date.now()) / 1_000)
    const lease = await this.#kv.lease(Math.max(1, seconds))
    const pull = { ...wanted, lease }
    const key = etcdKeys.imagePulls + pull.id
    const revision = await this.#kv.commit(
      [{ key, revision: 0 }],
      [
        { put: key, value: JSON.stringify(pull), lease },
        { put: etcdKeys.imagePullHolders + pull.id, value: '{}', lease },
      ],
    )
    if (revision === undefined) throw new ArmadaError('conflict', `There is a pull "${pull.id}" already.`)
    await this.#mirror().reach(revision)
    return { value: pull, revision }
  }

  async get(id: string): Promise<Row<ImagePull> | undefined> {
    return this.table.get(id) ?? readRow(this.#kv, etcdKeys.imagePulls + id)
  }

  /** @returns whether there was one. */
  async remove(id: string): Promise<boolean> {
    const row = await readRow<ImagePull>(this.#kv, etcdKeys.imagePulls + id)
    if (!row) return false
    await this.#kv.revoke(row.value.lease)
    await this.#mirror().reach(await this.#kv.revision())
    return true
  }

  /**
   * One attempt to make the host a holder; whoever meets another here comes again with its next report.
   * @param isGone whether a holder has vanished, so that its turn is given away.
   */
  async take(
    { id, parallelism, lease }: ImagePull,
    host: string,
    isGone: (host: string, since: string) => boolean,
  ): Promise<boolean> {
    const row = this.holders.get(id)
    if (!row) return false
    let staying = Object.entries(row.value)
    if (staying.length >= parallelism) staying = staying.filter(([other, since]) => !isGone(other, since))
    if (staying.length >= parallelism) return false
    const next = { ...Object.fromEntries(staying), [host]: new Date().toISOString() }
    const key = etcdKeys.imagePullHolders + id
    const revision = await this.#kv.commit(
      [{ key, revision: row.revision }],
      [{ put: key, value: JSON.stringify(next), lease }],
    )
    if (revision !== undefined) await this.#mirror().reach(revision)
    return revision !== undefined
  }

  /** Records what became of a pull on a host, once. */
  async end(host: string, { pull: id, ...end }: PullEnd): Promise<void> {
    const key = etcdKeys.imagePullHolders + id
    const outcomeKey = `${etcdKeys.imagePullOutcomes}${id}/${host}`
    for (let tries = 0; tries < conflictLimit; tries++) {
      const pull = await this.get(id)
      if (!pull || this.outcomes.get(`${id}/${host}`)) return
      const row = await readRow<Holders>(this.#kv, key)
      if (!row) return
      const { [host]: since, ...others } = row.value
      if (since === undefined) return
      const { lease } = pull.value
      const outcome: PullOutcome = { ...end, at: new Date().toISOString() }
      const revision = await this.#kv.commit(
        [{ key, revision: row.revision }],
        [
          { put: key, value: JSON.stringify(others), lease },
          { put: outcomeKey, value: JSON.stringify(outcome), lease },
        ],
      )
      if (revision !== undefined) return void (await this.#mirror().reach(revision))
      await sleep(backoffMs(tries, 2, 200))
    }
    throw new ArmadaError('unavailable', `Image pull "${id}" keeps changing. Report again.`, {
      retryAfterSeconds: 1,
    })
  }
}
