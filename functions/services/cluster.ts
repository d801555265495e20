// The cluster at a glance, and the health of this ApiServer.
import * as routes from '../../shared/api/cluster.ts'
import { messageOf } from '../../shared/errors.ts'
import { within } from '../../shared/loop.ts'
import { add, noResources } from '../../shared/model/resources.ts'
import { isAboard } from '../../shared/model/shipState.ts'
import { guarded } from '../middleware/authenticate.ts'
import { retryAfterSeconds } from '../middleware/problems.ts'
import { etcdKeys } from '../stores/keys.ts'
import type { Stores } from '../stores/stores.ts'
import { hostViews } from './hosts.ts'
import { serviceApp } from './serviceApp.ts'

const checkLimitMs = 1_500

/** @param stopping fires when this ApiServer is about to leave. */
export function clusterService(stores: Stores, stopping?: AbortSignal) {
  const { kv, mirror, ships, samples, dispatch, notices } = stores
  return serviceApp()
    .openapi(guarded(routes.getCluster), async (c) => {
      const [hosts, queueDepth] = await Promise.all([hostViews(stores), dispatch.depth()])
      const inState = (state: string) => hosts.filter((host) => host.state === state).length
      let used = noResources
      for (const [, { value }] of ships.table.rows())
        if (isAboard(value.state)) used = add(used, value.resources)
      return c.json(
        {
          hosts: { online: inState('Online'), degraded: inState('Degraded'), silent: inState('Silent') },
          ships: ships.index.counts(),
          capacity: hosts.map((host) => host.capacity).reduce(add, noResources),
          used,
          queueDepth,
          stormBrake: notices.stormBrake,
        },
        200,
      )
    })
    .route('/', aliveService())
    .openapi(guarded(routes.readyz), async (c) => {
      const [etcd, redis] = await Promise.all([
        check(async () => {
          await kv.get(`${etcdKeys.root}health`)
          if (!mirror.connected) throw new Error('its watch is not connected; lookups may be out of date')
        }),
        check(() => samples.ping()),
      ])
      const zookeeper = dispatch.connected ? well : { ok: false, detail: 'the session is not connected' }
      const isStopping = stopping?.aborted ?? false
      const ready = etcd.ok && redis.ok && zookeeper.ok && !isStopping
      if (!ready) c.header('retry-after', String(retryAfterSeconds))
      return c.json({ ready, stopping: isStopping, stores: { etcd, redis, zookeeper } }, ready ? 200 : 503)
    })
}

/** The part that the edge has too: it asks no store. */
export function aliveService() {
  return serviceApp().openapi(guarded(routes.healthz), (c) => c.json({ status: 'ok' as const }, 200))
}

const well = { ok: true, detail: null }

async function check(ask: () => Promise<void>): Promise<{ ok: boolean; detail: string | null }> {
  try {
    await within(ask(), checkLimitMs, () => new Error(`no answer within ${checkLimitMs} ms`))
    return well
  } catch (error) {
    return { ok: false, detail: messageOf(error) }
  }
}
