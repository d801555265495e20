// The store of allocations: they stand on the records of their ships, and many are written in one commit to etcd.
//
// INVARIANTS
// - A deal happens as a whole, and only if each of its ships is as it was seen: so no ship is given twice.
// - The answer to an Idempotency-Key is written with the deal, and only where none stands: so no key has two effects.
import type { Ship } from '../../shared/model/ship.ts'
import type { AnswerStore, Asked, Known } from './answers.ts'
import type { Condition, Kv, Part, Write } from './etcd/kv.ts'
import { rowOf } from './etcd/rows.ts'
import { etcdKeys } from './keys.ts'
import type { Row } from './mirror/table.ts'
import { put } from './ships.ts'

/** Ships of a deal, and requests that it answers. */
export const mostInDeal = 50
/** Deals in one commit. */
export const mostDeals = 60
/** etcd takes 1.5 MB at once. */
export const mostBytes = 1_000_000

export interface Deal {
  ships: readonly { before: Row<Ship>; after: Ship }[]
  /** What is answered to requests that came with a key. */
  answers: readonly { asked: Asked; text: string }[]
  /** Further keys that go with it. */
  drop: readonly string[]
}

export type Dealt =
  | { revision: number }
  /** Nothing happened: this is what etcd has now, in the order of the deal. */
  | { ships: (Row<Ship> | undefined)[]; answers: (Known | undefined)[] }

export class AllocationStore {
  #kv: Kv
  #answers: AnswerStore

  constructor(kv: Kv, answers: AnswerStore) {
    this.#kv = kv
    this.#answers = answers
  }

  /** @throws ArmadaError unavailable: it is unknown whether they happened. The same deals may be committed again. TooLargeError: none did. */
  async commit(deals: readonly Deal[]): Promise<Dealt[]> {
    const parts = await Promise.all(deals.map((deal) => this.#part(deal)))
    const results = await this.#kv.commitEach(parts).catch((error) => {
      this.#answers.failed()
      throw error
    })
    return results.map((result, i) => {
      if ('revision' in result) return result
      const { ships, answers } = deals[i] as Deal
      return {
        ships: result.found.slice(0, ships.length).map((one) => one && rowOf<Ship>(one)),
        answers: answers.map(({ asked }, j) => {
          const found = result.found[ships.length + j]
          return found && this.#answers.known(asked, found.value)
        }),
      }
    })
  }

  /** What was answered to the same request before. */
  async answerTo(asked: Asked): Promise<Known | undefined> {
    const found = await this.#kv.get(this.#answers.keyOf(asked))
    return found && this.#answers.known(asked, found.value)
  }

  async #part({ ships, answers, drop }: Deal): Promise<Part> {
    const conditions: Condition[] = []
    const writes: Write[] = []
    for (const { before, after } of ships) {
      conditions.push({ key: etcdKeys.ships + after.id, revision: before.revision })
      writes.push(put(after))
    }
    for (const { asked, text } of answers) {
      const key = this.#answers.keyOf(asked)
      conditions.push({ key, revision: 0 })
      writes.push(await this.#answers.written(asked, text))
    }
    for (const key of drop) writes.push({ delete: key })
    const otherwise = conditions.map(({ key }) => key)
    return { conditions, writes, otherwise }
  }
}
