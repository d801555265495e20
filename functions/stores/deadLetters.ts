// The store of dead letters: whole in etcd, and in memory only how many there are and which are wanted again.
import type { DeadLetter } from '../../shared/model/webhook.ts'
import type { Kv, Write } from './etcd/kv.ts'
import { changeRow, readRow } from './etcd/rows.ts'
import { etcdKeys } from './keys.ts'
import type { Mirror } from './mirror/mirror.ts'
import { Table } from './mirror/table.ts'

const mostDeadLetters = 1_000
const deletesInCommit = 100

export class DeadLetterStore {
  /** By `{webhook}/{place}`; a letter itself may be some hundred bytes, and is seldom asked for. */
  readonly table = new Table<{ id: string; redeliver: boolean }>(etcdKeys.deadLetters, (text) => {
    const { id, redeliver }: DeadLetter = JSON.parse(text)
    return { id, redeliver }
  })
  readonly #counts = new Map<string, number>()
  readonly #wanted = new Map<string, Set<string>>()
  #kv: Kv
  #mirror: () => Mirror

  constructor(kv: Kv, mirror: () => Mirror) {
    this.#kv = kv
    this.#mirror = mirror
    this.table.onChange((key, after, before) => {
      const webhook = key.slice(0, key.indexOf('/'))
      const change = Number(after !== undefined) - Number(before !== undefined)
      if (change !== 0) this.#counts.set(webhook, this.count(webhook) + change)
      const wanted = this.#wanted.get(webhook) ?? new Set()
      if (after?.value.redeliver) this.#wanted.set(webhook, wanted.add(after.value.id))
      else if (before) wanted.delete(before.value.id)
    })
  }

  count(webhook: string): number {
    return this.#counts.get(webhook) ?? 0
  }

  /** Those that are to be sent again. */
  wanted(webhook: string): readonly string[] {
    return [...(this.#wanted.get(webhook) ?? [])]
  }

  /** Those behind the one with the id `after`, oldest first. */
  async list(webhook: string, after?: string): Promise<DeadLetter[]> {
    const { items } = await this.#kv.list(`${etcdKeys.deadLetters}${webhook}/`)
    const from = after === undefined ? '' : keyOf(webhook, after)
    return items.filter(({ key }) => key > from).map(({ value }) => JSON.parse(value))
  }

  async read(webhook: string, id: string): Promise<DeadLetter | undefined> {
    return (await readRow<DeadLetter>(this.#kv, keyOf(webhook, id)))?.value
  }

  async add(webhook: string, letter: DeadLetter): Promise<void> {
    const written = await this.#kv.commit([], [putLetter(webhook, letter)])
    if (written !== undefined) await this.#mirror().reach(written)
  }

  /** @returns the letter as it is then; undefined when there is none. */
  async wantAgain(webhook: string, id: string): Promise<DeadLetter | undefined> {
    const next = ({ value }: { value: DeadLetter }) => ({ ...value, redeliver: true })
    const row = await changeRow<DeadLetter>(this.#kv, keyOf(webhook, id), next)
    if (row) await this.#mirror().reach(row.revision)
    return row?.value
  }

  /** @returns whether it was there. */
  async remove(webhook: string, id: string): Promise<boolean> {
    const key = keyOf(webhook, id)
    const found = await this.#kv.get(key)
    if (!found) return false
    const written = await this.#kv.commit([], [{ delete: key }])
    if (written !== undefined) await this.#mirror().reach(written)
    return true
  }

  async removeAll(webhook: string): Promise<void> {
    const { items } = await this.#kv.list(`${etcdKeys.deadLetters}${webhook}/`)
    for (let i = 0; i < items.length; i += deletesInCommit) {
      const writes = items.slice(i, i + deletesInCommit).map(({ key }) => ({ delete: key }))
      await this.#kv.commit([], writes)
    }
  }

  /** What makes room for these letters, as far as there are too many; the oldest go. */
  makeRoom(webhook: string, letters: readonly DeadLetter[]): Write[] {
    const more = letters.filter(({ id }) => !this.table.get(`${webhook}/${placeOf(id)}`)).length
    const surplus = this.count(webhook) + more - mostDeadLetters
    const writes: Write[] = []
    for (const [key] of this.table.rows(`${webhook}/`)) {
      if (writes.length >= Math.min(surplus, letters.length) || !key.startsWith(`${webhook}/`)) break
      writes.push({ delete: etcdKeys.deadLetters + key })
    }
    return writes
  }
}

export function putLetter(webhook: string, letter: DeadLetter): Write {
  return { put: keyOf(webhook, letter.id), value: JSON.stringify(letter) }
}

export function dropLetter(webhook: string, id: string): Write {
  return { delete: keyOf(webhook, id) }
}

function keyOf(webhook: string, id: string): string {
  return `${etcdKeys.deadLetters}${webhook}/${placeOf(id)}`
}

/** The numbers of the id are filled up, so that etcd's order is that of time. */
function placeOf(id: string): string {
  return id.replace(/\d+/g, (digits) => digits.padStart(16, '0'))
}
