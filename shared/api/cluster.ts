// Routes of the cluster as a whole, and of the health of one ApiServer.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { ShipState } from '../model/shipState.ts'
import { examples } from './examples.ts'
import { answer, anyone, failures, readers, scrapers } from './route.ts'

const Leader = z
  .strictObject({
    name: z.string().describe('As the runner calls itself'),
    machine: z.string().nullable(),
    pid: z.int().nullable(),
    epoch: z.int().nullable().describe('Its writes count; null until it was given one'),
    since: z.iso.datetime().describe('When it stood for election'),
    standbys: z.int().min(0).describe('Runners that would follow'),
  })
  .nullable()
  .describe('null: nobody leads, or ZooKeeper does not answer')

/** Without the bounds of a single host. */
const Sum = z.strictObject({
  cpuMillis: z.int().min(0).describe('CPU, in thousandths of a core'),
  memoryMiB: z.int().min(0).describe('Memory, in MiB'),
  diskMiB: z.int().min(0).optional().describe('Disk, in MiB; absent: none'),
  extra: z.record(z.string(), z.int().min(0)).optional().describe('Named resources; absent: none'),
})
const latencyMs = z.number().nullable().describe('How long it took to answer; null when it did not')
const StoreHealth = z.strictObject({ ok: z.boolean(), detail: z.string().nullable() })

export const Cluster = z
  .strictObject({
    hosts: z
      .strictObject({ online: z.int(), degraded: z.int(), silent: z.int() })
      .nullable()
      .describe('Number of hosts in each state; null while Redis does not answer'),
    ships: z.partialRecord(ShipState, z.int()).describe('Number of ships in each state'),
    fleets: z.strictObject({
      count: z.int(),
      replicas: z.int().describe('Ships that all fleets want'),
      ready: z.int().describe('Ships of fleets that are Ready, Reserved or Allocated'),
    }),
    capacity: Sum.describe('Of all hosts'),
    allocatable: Sum.describe(
      'Of the hosts that take new ships (Online, not cordoned), what ships may ask for: capacity × overcommit − reserved',
    ),
    used: Sum.describe('Requested by the ships aboard'),
    queueDepth: z.int().nullable().describe('Entries in the scheduler queue; null when it cannot be read'),
    stormBrake: z
      .string()
      .nullable()
      .describe('Why lost ships are not replaced at present; null when they are'),
    leaders: z
      .strictObject({ scheduler: Leader, controllers: Leader })
      .describe('Up to 5 s old, so that looking costs ZooKeeper little'),
    stores: z
      .strictObject({
        etcd: StoreHealth.extend({ latencyMs }),
        redis: StoreHealth.extend({ latencyMs }),
        zookeeper: StoreHealth.extend({ latencyMs }),
      })
      .describe('As the ApiServer that answers sees them'),
    apiServer: z
      .strictObject({
        version: z.string(),
        revision: z.string().describe('Of the store, as its memory shows it'),
        staleMs: z.int().nullable().describe('How long it has not heard of etcd; null while it does'),
      })
      .describe('The ApiServer that answers'),
  })
  .meta({ id: 'Cluster' })
/** The cluster at a glance. */
export type Cluster = z.infer<typeof Cluster>

export const getCluster = createRoute({
  method: 'get',
  path: '/v1/cluster',
  tags: ['cluster'],
  'x-roles': readers,
  summary: 'The cluster at a glance',
  responses: {
    200: answer(Cluster, 'The cluster', examples.cluster),
    ...failures(),
  },
})

export const healthz = createRoute({
  method: 'get',
  path: '/healthz',
  tags: ['health'],
  'x-roles': anyone,
  summary: 'Is this process alive?',
  responses: { 200: answer(z.strictObject({ status: z.literal('ok') }), 'It is', { status: 'ok' }) },
})

export const getMetrics = createRoute({
  method: 'get',
  path: '/metrics',
  tags: ['health'],
  'x-roles': scrapers,
  summary: 'Figures for Prometheus',
  description:
    'Those of this ApiServer (take their sum), and those of the cluster (all ApiServers show the same).',
  responses: {
    200: {
      description: 'In the text format of Prometheus',
      content: { 'text/plain': { schema: z.string() } },
    },
    ...failures(),
  },
})

const well = { ok: true, detail: null }
const Readiness = z.strictObject({
  ready: z.boolean(),
  stopping: z.boolean().describe('This process is about to end: send new requests elsewhere'),
  stores: z.record(z.string(), StoreHealth),
})

export const readyz = createRoute({
  method: 'get',
  path: '/readyz',
  tags: ['health'],
  'x-roles': anyone,
  summary: 'Can this process serve? Names the store that does not answer',
  responses: {
    200: answer(Readiness, 'It can', {
      ready: true,
      stopping: false,
      stores: { etcd: well, redis: well, zookeeper: well },
    }),
    503: answer(Readiness, 'It cannot'),
  },
})
