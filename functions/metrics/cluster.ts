// The cluster in figures, taken from the stores when Prometheus asks. Every ApiServer shows the same:
// take the maximum over them, not the sum.
import { Gauge, type Registry } from 'prom-client'
import { hostViews } from '../services/hosts.ts'
import type { Stores } from '../stores/stores.ts'

/** Fleets that are shown by name, first in the order of their names; the rest counts as one, `(others)`. */
const fleetsShown = 200
const others = '(others)'

/** Adds the gauges to the registry. */
export function measureCluster(registry: Registry, stores: Stores, shown = fleetsShown): void {
  const { ships, fleets, dispatch, mirror, webhooks, deadLetters } = stores
  const registers = [registry]
  const named = (fleet: string, names: ReadonlySet<string>) => (names.has(fleet) ? fleet : others)

  new Gauge({
    name: 'armada_ships',
    help: `Ships by state and fleet; fleet is empty for single ships, and ${others} past ${shown} fleets`,
    labelNames: ['state', 'fleet'],
    registers,
    collect() {
      this.reset()
      const names = fleetNames()
      const single = { ...ships.index.counts() }
      for (const [fleet, counts] of ships.index.countsByFleet()) {
        for (const [state, count] of Object.entries(counts) as [keyof typeof single, number][]) {
          this.inc({ state, fleet: named(fleet, names) }, count)
          single[state] = (single[state] ?? 0) - count
        }
      }
      for (const [state, count] of Object.entries(single))
        if (count > 0) this.set({ state, fleet: '' }, count)
    },
  })
  new Gauge({
    name: 'armada_fleet_replicas',
    help: 'Ships that each fleet wants',
    labelNames: ['fleet'],
    registers,
    collect() {
      this.reset()
      const names = fleetNames()
      for (const [name, { value }] of fleets.table.rows())
        this.inc({ fleet: named(name, names) }, value.replicas)
    },
  })
  new Gauge({
    name: 'armada_hosts',
    help: 'Hosts by state; missing while Redis does not answer',
    labelNames: ['state'],
    registers,
    async collect() {
      this.reset()
      const hosts = await hostViews(stores).catch(() => undefined)
      if (!hosts) return
      for (const state of ['Online', 'Degraded', 'Silent'] as const) {
        this.set({ state }, hosts.filter((host) => host.state === state).length)
      }
    },
  })
  new Gauge({
    name: 'armada_webhook_dead_letters',
    help: 'Messages that each webhook could not deliver',
    labelNames: ['webhook'],
    registers,
    collect() {
      this.reset()
      for (const [webhook] of webhooks.table.rows()) this.set({ webhook }, deadLetters.count(webhook))
    },
  })
  new Gauge({
    name: 'armada_webhook_pending',
    help: 'Messages that each webhook has yet to deliver, of those that are read; at most half a minute old',
    labelNames: ['webhook'],
    registers,
    collect() {
      this.reset()
      for (const [webhook, { value }] of webhooks.progress.rows()) this.set({ webhook }, value.pending)
    },
  })
  new Gauge({
    name: 'armada_scheduler_queue_entries',
    help: 'Entries in the scheduler queue; missing while ZooKeeper does not answer',
    registers,
    async collect() {
      const depth = await dispatch.depth()
      if (depth === null) this.remove()
      else this.set(depth)
    },
  })
  new Gauge({
    name: 'armada_store_connected',
    help: '1 while the store is connected; lookups go on from memory without etcd',
    labelNames: ['store'],
    registers,
    collect() {
      this.set({ store: 'etcd' }, Number(mirror.connected))
      this.set({ store: 'redis' }, Number(stores.samples.connected))
      this.set({ store: 'zookeeper' }, Number(dispatch.connected))
    },
  })

  function fleetNames(): ReadonlySet<string> {
    const names = new Set<string>()
    for (const [name] of fleets.table.rows()) {
      if (names.size === shown) break
      names.add(name)
    }
    return names
  }
}
