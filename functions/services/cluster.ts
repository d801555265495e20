// The cluster at a glance, and the health of this ApiServer.
import * as routes from '../../shared/api/cluster.ts'
import { messageOf } from '../../shared/errors.ts'
import { within } from '../../shared/loop.ts'
import { allocatableOf, ordersOf } from '../../shared/model/host.ts'
import { heldBy } from '../../shared/model/resize.ts'
import { type Resources, sumOf } from '../../shared/model/resources.ts'
import { isAboard } from '../../shared/model/shipState.ts'
import { guarded } from '../middleware/authenticate.ts'
import { retryAfterSeconds } from '../middleware/problems.ts'
import type { Election } from '../stores/keeper/leaders.ts'
import { etcdKeys } from '../stores/keys.ts'
import type { Stores } from '../stores/stores.ts'
import { hostViews } from './hosts.ts'
import { serviceApp } from './serviceApp.ts'

const checkLimitMs = 1_500
const checkEveryMs = 250

/** @param stopping fires when this ApiServer is about to leave. */
export function clusterService(stores: Stores, version: string, stopping?: AbortSignal) {
  const { mirror, ships, fleets, hosts, dispatch, notices } = stores
  // Anybody may ask whether it is ready, any number of times.
  const storesNowAndThen = nowAndThen(() => askStores(stores))
  return serviceApp()
    .openapi(guarded(routes.getCluster), async (c) => {
      const [views, queueDepth, election, [etcd, redis]] = await Promise.all([
        hostViews(stores).catch(() => undefined),
        dispatch.depth(),
        stores.leaders.read().catch(messageOf),
        askStores(stores),
      ])
      const inState = (state: string) => views?.filter((host) => host.state === state).length ?? 0
      const counts = { online: inState('Online'), degraded: inState('Degraded'), silent: inState('Silent') }
      const { revision, staleMs } = mirror
      const all = [...hosts.table.rows()].map(([, { value }]) => value)
      const unfit = new Set(views?.filter(({ state }) => state !== 'Online').map(({ id }) => id))
      const open = all.filter((host) => !ordersOf(host).cordon && !unfit.has(host.id))
      return c.json(
        {
          hosts: views ? counts : null,
          ships: ships.index.counts(),
          fleets: fleetsAtAGlance(),
          capacity: sumOf(all.map(({ capacity }) => capacity)),
          allocatable: sumOf(open.map(allocatableOf)),
          used: sumOf(aboard()),
          queueDepth,
          stormBrake: notices.stormBrake,
          leaders: typeof election === 'string' ? { scheduler: null, controllers: null } : election.leaders,
          stores: { etcd, redis, zookeeper: zookeeperHealth(election) },
          apiServer: {
            version,
            revision: String(revision),
            staleMs: staleMs === null ? null : Math.round(staleMs),
          },
        },
        200,
      )
    })
    .route('/', aliveService())
    .openapi(guarded(routes.readyz), async (c) => {
      const [etcd, redis] = await storesNowAndThen()
      const zookeeper = dispatch.connected ? well : { ok: false, detail: notConnected }
      const isStopping = stopping?.aborted ?? false
      const ready = etcd.ok && redis.ok && zookeeper.ok && !isStopping
      if (!ready) c.header('retry-after', String(retryAfterSeconds))
      const health = { etcd: brief(etcd), redis: brief(redis), zookeeper }
      return c.json({ ready, stopping: isStopping, stores: health }, ready ? 200 : 503)
    })

  function* aboard(): Generator<Resources> {
    for (const [, { value }] of ships.table.rows()) if (isAboard(value.state)) yield heldBy(value)
  }

  function fleetsAtAGlance() {
    let replicas = 0
    for (const [, { value }] of fleets.table.rows()) replicas += value.replicas
    let ready = 0
    for (const [, { Ready = 0, Reserved = 0, Allocated = 0 }] of ships.index.countsByFleet())
      ready += Ready + Reserved + Allocated
    return { count: fleets.table.size, replicas, ready }
  }

  function zookeeperHealth(election: Election | string) {
    if (typeof election === 'string') return { ok: false, detail: election, latencyMs: null }
    if (!dispatch.connected) return { ok: false, detail: notConnected, latencyMs: null }
    return { ...well, latencyMs: tenths(election.latencyMs) }
  }
}

/** The part that the edge has too: it asks no store. */
export function aliveService() {
  return serviceApp().openapi(guarded(routes.healthz), (c) => c.json({ status: 'ok' as const }, 200))
}

interface Health {
  ok: boolean
  detail: string | null
}

const well = { ok: true, detail: null }
const notConnected = 'the session is not connected'

/** etcd and Redis; of ZooKeeper the session tells, so that health checks cost it nothing. */
function askStores({ kv, mirror, samples }: Stores) {
  return Promise.all([
    check(async () => {
      await kv.get(`${etcdKeys.root}health`)
      if (!mirror.connected) throw new Error('its watch is not connected; lookups may be out of date')
    }),
    check(() => samples.ping()),
  ])
}

/** Whoever asks soon after gets the same answer. @param ask never fails. */
function nowAndThen<T>(ask: () => Promise<T>): () => Promise<T> {
  let last: Promise<T> | undefined
  let askedAtMs = 0
  return () => {
    const nowMs = performance.now()
    if (!last || nowMs - askedAtMs > checkEveryMs) {
      askedAtMs = nowMs
      last = ask()
    }
    return last
  }
}

async function check(ask: () => Promise<void>): Promise<Health & { latencyMs: number | null }> {
  const startedAt = performance.now()
  try {
    await within(ask(), checkLimitMs, () => new Error(`no answer within ${checkLimitMs} ms`))
    return { ...well, latencyMs: tenths(performance.now() - startedAt) }
  } catch (error) {
    return { ok: false, detail: messageOf(error), latencyMs: null }
  }
}

function brief({ ok, detail }: Health): Health {
  return { ok, detail }
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10
}
