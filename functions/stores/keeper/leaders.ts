// Who leads, as the elections in ZooKeeper say: read when somebody asks, and seldom.
import type { OfficeName } from '../../../shared/api/offices.ts'
import { within } from '../../../shared/loop.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { sequenceOf } from '../../../shared/zookeeper/enqueue.ts'
import { elections } from '../../../shared/zookeeper/paths.ts'
import type { EpochStore } from '../epochs.ts'

export interface Leader {
  /** As the runner calls itself: `{machine}-{pid}`. */
  name: string
  machine: string | null
  pid: number | null
  /** Null until it has asked for one. */
  epoch: number | null
  since: string
  /** Runners that would follow. */
  standbys: number
}

export interface Election {
  leaders: Record<OfficeName, Leader | null>
  /** How long ZooKeeper took to tell. */
  latencyMs: number
}

/** An answer is good for so long: two reads an election, however many people look. */
const keptMs = 5_000
const limitMs = 1_500

export class Leaders {
  #zk: ZooKeeper
  #epochs: EpochStore
  #asked: { election: Promise<Election>; atMs: number } | undefined

  constructor(zk: ZooKeeper, epochs: EpochStore) {
    this.#zk = zk
    this.#epochs = epochs
  }

  /** @throws when ZooKeeper does not answer. */
  read(): Promise<Election> {
    const nowMs = performance.now()
    if (!this.#asked || nowMs - this.#asked.atMs > keptMs) {
      const late = () => new Error(`no answer within ${limitMs} ms`)
      const asked = { election: within(this.#read(), limitMs, late), atMs: nowMs }
      asked.election.catch(() => {
        if (this.#asked === asked) this.#asked = undefined
      })
      this.#asked = asked
    }
    return this.#asked.election
  }

  async #read(): Promise<Election> {
    const startedAt = performance.now()
    const [scheduler, controllers] = await Promise.all([this.#first('scheduler'), this.#first('controllers')])
    return { leaders: { scheduler, controllers }, latencyMs: performance.now() - startedAt }
  }

  /** The first in the line leads. */
  async #first(office: OfficeName): Promise<Leader | null> {
    const election = elections[office]
    const names = (await this.#zk.children(election)) ?? []
    names.sort((a, b) => sequenceOf(a) - sequenceOf(b))
    for (const [i, place] of names.entries()) {
      const node = await this.#zk.get(`${election}/${place}`)
      if (!node) continue
      const given = this.#epochs.table.get(office)
      const epoch = given?.value === place ? given.revision : null
      const name = node.data.toString()
      const [, machine = null, pid] = /^(.+)-(\d{1,9})$/.exec(name) ?? []
      const itself = { name, machine, pid: pid ? Number(pid) : null }
      return { ...itself, epoch, since: node.stat.ctime.toISOString(), standbys: names.length - i - 1 }
    }
    return null
  }
}
