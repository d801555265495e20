// What a host is told to pull, with the answer to its report, and what it says has become of that.
import type { ImagePull, PullEnd, PullOrder } from '../../../shared/model/imagePull.ts'
import { selects } from '../../../shared/model/labelSelector.ts'
import type { Stores } from '../../stores/stores.ts'
import { labelsOf } from '../hosts.ts'

/** Of one host at a time: layers that come together come no sooner. */
const mostAtOnce = 2
/** A holder that was not heard of for so long has lost its turn; agents report every 5 s. */
const silentMs = 30_000

type PullStores = Pick<Stores, 'imagePulls' | 'hosts' | 'samples'>

/** Hosts that match a pull's selectors, and those of its holders that are still there. */
export class PullOrders {
  readonly #stores: PullStores

  constructor(stores: PullStores) {
    this.#stores = stores
  }

  /** @param ended what the host says; undefined: its agent is too old to be told to pull. */
  async exchange(host: string, ended: readonly PullEnd[] | undefined): Promise<PullOrder[]> {
    const { imagePulls, hosts } = this.#stores
    for (const end of ended ?? []) await imagePulls.end(host, end)
    if (ended === undefined || imagePulls.table.size === 0) return []
    const row = hosts.table.get(host)
    if (!row) return []
    const labels = labelsOf(row.value)
    const due = [...imagePulls.table.rows()].filter(
      ([id, { value }]) =>
        Date.parse(value.deadline) > Date.now() &&
        selects(value.selectors, labels) &&
        !imagePulls.outcomes.get(`${id}/${host}`),
    )
    const orders = due.flatMap(([id, { value }]) => (this.#holds(id, host) ? [orderOf(value)] : []))
    for (const [id, { value }] of due) {
      if (orders.length >= mostAtOnce) break
      if (this.#holds(id, host) || !(await imagePulls.take(value, host, this.#isGone))) continue
      orders.push(orderOf(value))
    }
    return orders
  }

  #holds(pull: string, host: string): boolean {
    return Object.hasOwn(this.#stores.imagePulls.holders.get(pull)?.value ?? {}, host)
  }

  #isGone = (host: string, since: string): boolean => {
    const { hosts, samples } = this.#stores
    if (!hosts.table.get(host)) return true
    // Other ApiServers may hear of it.
    if (!samples.isWhole) return false
    const heardAt = samples.heardAt(host) ?? since
    const lastMs = Math.max(Date.parse(heardAt), Date.parse(since))
    return Date.now() - lastMs > silentMs
  }
}

function orderOf({ id, image, deadline }: ImagePull): PullOrder {
  return { pull: id, image, limitMs: Math.max(1, Date.parse(deadline) - Date.now()) }
}
