// The store of webhooks: what admins ordered, and apart from it how far the deliveries are.
//
// INVARIANTS
// - The progress is written by the leading controllers only, fenced by their epoch and by the webhook's record:
//   nothing is written for a webhook that was deleted, or was made anew under the same name.
// - The cursor moves in one transaction with the dead letters that it passes.
import type { DeliveryReport } from '../../shared/api/deliveries.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { Webhook, WebhookProgress } from '../../shared/model/webhook.ts'
import { type DeadLetterStore, dropLetter, putLetter } from './deadLetters.ts'
import type { Kv, Write } from './etcd/kv.ts'
import { changeRow, readRow } from './etcd/rows.ts'
import { etcdKeys } from './keys.ts'
import type { Mirror } from './mirror/mirror.ts'
import { type Row, Table } from './mirror/table.ts'
import type { Fence } from './ships.ts'

export interface WebhookRecord extends Webhook {
  /** Tells it from an earlier one of the same name. */
  made: string
  disabledReason: string | null
  /** Newest first. */
  secrets: KeptSecret[]
}

export interface KeptSecret {
  /** As Seal closed it. */
  sealed: string
  /** ISO time; null: for good. */
  until: string | null
  /** Digest of the Idempotency-Key it was made with. */
  by: string | null
}

const conflictLimit = 8

export class WebhookStore {
  readonly table = new Table<WebhookRecord>(etcdKeys.webhooks)
  readonly progress = new Table<WebhookProgress>(etcdKeys.webhookProgress)
  readonly #letters: DeadLetterStore
  #kv: Kv
  #mirror: () => Mirror

  constructor(kv: Kv, letters: DeadLetterStore, mirror: () => Mirror) {
    this.#kv = kv
    this.#letters = letters
    this.#mirror = mirror
  }

  async get(name: string): Promise<Row<WebhookRecord> | undefined> {
    return this.table.get(name) ?? readRow(this.#kv, etcdKeys.webhooks + name)
  }

  /** Records a new webhook that is told of all events from now on. @returns undefined when the name is taken. */
  async create(record: WebhookRecord): Promise<Row<WebhookRecord> | undefined> {
    // What an earlier one of this name left, when its deletion was cut off.
    await this.#letters.removeAll(record.name)
    const progress: WebhookProgress = {
      ...{ cursor: String(await this.#kv.revision()), pending: 0, delivered: 0, lastDeliveryAt: null },
      ...{ failingSince: null, lastFailure: null, deadLettersDropped: 0, gaps: 0 },
    }
    const key = etcdKeys.webhooks + record.name
    const written = await this.#kv.commit(
      [{ key, revision: 0 }],
      [
        { put: key, value: JSON.stringify(record) },
        { put: etcdKeys.webhookProgress + record.name, value: JSON.stringify(progress) },
      ],
    )
    if (written === undefined) return undefined
    await this.#mirror().reach(written)
    return { value: record, revision: written }
  }

  async change(
    name: string,
    next: (row: Row<WebhookRecord>) => WebhookRecord,
  ): Promise<Row<WebhookRecord> | undefined> {
    const row = await changeRow(this.#kv, etcdKeys.webhooks + name, next)
    if (row) await this.#mirror().reach(row.revision)
    return row
  }

  /** @returns whether it was there. */
  async remove(name: string): Promise<boolean> {
    const found = await this.#kv.get(etcdKeys.webhooks + name)
    const keys = [etcdKeys.webhooks + name, etcdKeys.webhookProgress + name]
    const written = await this.#kv.commit(
      [],
      keys.map((key) => ({ delete: key })),
    )
    // Last, so that no report adds more of them; a deletion that is cut off here is finished by the next one.
    await this.#letters.removeAll(name)
    if (written !== undefined) await this.#mirror().reach(written)
    return found !== undefined
  }

  /** @returns whether the webhook is still there. @throws ArmadaError stale_epoch. */
  async report(report: DeliveryReport, fence: Fence): Promise<boolean> {
    const { webhook: name, made, disable } = report
    for (let tries = 0; tries < conflictLimit; tries++) {
      // Memory may lag behind, so only the first try rests on it.
      const row =
        tries === 0 ? await this.get(name) : await readRow<WebhookRecord>(this.#kv, etcdKeys.webhooks + name)
      const key = etcdKeys.webhookProgress + name
      const before =
        (tries === 0 ? this.progress.get(name) : undefined) ?? (await readRow<WebhookProgress>(this.#kv, key))
      if (row?.value.made !== made || !before) return false
      const dropped = this.#letters.makeRoom(name, report.letters)
      const writes = [
        ...dropped,
        ...report.letters.map((letter) => putLetter(name, letter)),
        ...report.redelivered.map((id) => dropLetter(name, id)),
        { put: key, value: JSON.stringify(advanced(before.value, report, dropped.length)) },
      ]
      if (disable && disable.revision === String(row.revision)) {
        const next: WebhookRecord = { ...row.value, enabled: false, disabledReason: disable.reason }
        writes.push({ put: etcdKeys.webhooks + name, value: JSON.stringify(next) })
      }
      const conditions = [
        ...fence.conditions,
        { key: etcdKeys.webhooks + name, revision: row.revision },
        { key, revision: before.revision },
      ]
      const written = await this.#kv.commit(conditions, lastOfEach(writes))
      if (written !== undefined) {
        await this.#mirror().reach(written)
        return true
      }
      await fence.check()
    }
    throw new ArmadaError('unavailable', `Webhook "${name}" keeps changing. Report again.`, {
      retryAfterSeconds: 1,
    })
  }
}

/** etcd refuses two writes of one key in a transaction. */
function lastOfEach(writes: readonly Write[]): Write[] {
  return [...new Map(writes.map((write) => ['put' in write ? write.put : write.delete, write])).values()]
}

function advanced(before: WebhookProgress, report: DeliveryReport, dropped: number): WebhookProgress {
  const { cursor, pending, lastDeliveryAt, failingSince, lastFailure, delivered, gaps } = report
  return {
    ...{ cursor, pending, failingSince },
    lastDeliveryAt: lastDeliveryAt ?? before.lastDeliveryAt,
    lastFailure: lastFailure ?? before.lastFailure,
    delivered: before.delivered + delivered,
    gaps: before.gaps + gaps,
    deadLettersDropped: before.deadLettersDropped + dropped,
  }
}
