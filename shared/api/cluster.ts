// Routes of the cluster as a whole, and of the health of one ApiServer.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Resources } from '../model/resources.ts'
import { ShipState } from '../model/shipState.ts'
import { examples } from './examples.ts'
import { answer, anyone, failures, readers, scrapers } from './route.ts'

export const getCluster = createRoute({
  method: 'get',
  path: '/v1/cluster',
  tags: ['cluster'],
  'x-roles': readers,
  summary: 'The cluster at a glance',
  responses: {
    200: answer(
      z.strictObject({
        hosts: z.strictObject({ online: z.int(), degraded: z.int(), silent: z.int() }),
        ships: z.partialRecord(ShipState, z.int()).describe('Number of ships in each state'),
        capacity: Resources.describe('Of all hosts'),
        used: Resources.describe('Requested by the ships aboard'),
        queueDepth: z
          .int()
          .nullable()
          .describe('Entries in the scheduler queue; null when it cannot be read'),
        stormBrake: z.string().nullable().describe('Why lost ships are not replaced at present'),
      }),
      'The cluster',
      examples.cluster,
    ),
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
  stores: z.record(z.string(), z.strictObject({ ok: z.boolean(), detail: z.string().nullable() })),
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
