// Epochs: which leader's writes count. Given out by etcd, so that they outlive all that ZooKeeper knows.
//
// INVARIANTS
// - The key of an office holds the node of its newest leader; the epoch is the revision of etcd at which it was
//   written. So a later leader has the higher epoch, nobody can name one that was not given, and a write is
//   fenced by that revision alone.
// - The key is read before ZooKeeper is asked who leads, and written at that revision only: a leader that was
//   deposed while it was being looked for does not get in after its successor.
import type { OfficeName } from '../../shared/api/offices.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { Kv } from './etcd/kv.ts'
import type { LeaderOf } from './keeper/elections.ts'
import { etcdKeys } from './keys.ts'
import type { Mirror } from './mirror/mirror.ts'
import { Table } from './mirror/table.ts'
import type { Fence } from './ships.ts'

const conflictLimit = 8

export class EpochStore {
  /** Office -> node of its newest leader. */
  readonly table = new Table<string>(etcdKeys.epochs, String)
  #kv: Kv
  #mirror: () => Mirror
  #leaderOf: () => LeaderOf

  constructor(kv: Kv, mirror: () => Mirror, leader: () => LeaderOf) {
    this.#kv = kv
    this.#mirror = mirror
    this.#leaderOf = leader
  }

  /**
   * Gives the leader with this node its epoch; from then on older ones are refused. The same node gets the same.
   * @throws ArmadaError conflict when ZooKeeper knows another leader, or none; unavailable.
   */
  async take(office: OfficeName, node: string): Promise<number> {
    const key = etcdKeys.epochs + office
    for (let tries = 0; tries < conflictLimit; tries++) {
      const known = await this.#kv.get(key)
      if (known?.value === node) return known.revision
      const leader = await this.#leaderOf()(office)
      if (leader !== node) throw notLeading(office, node, leader)
      const condition = { key, revision: known?.revision ?? 0 }
      const epoch = await this.#kv.commit([condition], [{ put: key, value: node }])
      if (epoch === undefined) continue
      await this.#mirror().reach(epoch)
      return epoch
    }
    throw new ArmadaError('unavailable', `The leaders of the office "${office}" keep changing. Try again.`, {
      retryAfterSeconds: 1,
    })
  }

  /**
   * The fence for a write of the leader with this epoch.
   * @throws ArmadaError stale_epoch when it is not that of the newest leader.
   */
  async fence(office: OfficeName, epoch: number): Promise<Fence> {
    if (this.table.get(office)?.revision !== epoch) await this.#check(office, epoch)
    const conditions = [{ key: etcdKeys.epochs + office, revision: epoch }]
    return { conditions, check: () => this.#check(office, epoch) }
  }

  async #check(office: OfficeName, epoch: number): Promise<void> {
    const newest = (await this.#kv.get(etcdKeys.epochs + office))?.revision
    if (newest === epoch) return
    throw new ArmadaError(
      'stale_epoch',
      newest === undefined
        ? `Nobody holds the office "${office}", and epoch ${epoch} is unknown. Step down and stand for election again.`
        : `The epoch of the office "${office}" is ${newest}, not ${epoch}. Step down and stand for election again.`,
    )
  }
}

function notLeading(office: OfficeName, node: string, leader: string | undefined): ArmadaError {
  const seen = leader === undefined ? 'nobody leads' : `${JSON.stringify(leader)} leads`
  return new ArmadaError(
    'conflict',
    `In this ApiServer's ZooKeeper ${seen} the election of "${office}", not ${JSON.stringify(node)}. Stand for ` +
      'election again; when that does not help, give runners and ApiServers the same ARMADA_ZOOKEEPER.',
  )
}
