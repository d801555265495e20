// The API: middleware and services put together. Knows stores, and nothing of the process it runs in.
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Log } from '../shared/log.ts'
import type { Document } from './docs/document.ts'
import { measureCluster } from './metrics/cluster.ts'
import type { Meters } from './metrics/meters.ts'
import { authenticate, type Env } from './middleware/authenticate.ts'
import { onError, onNotFound } from './middleware/problems.ts'
import { identify, limitBody } from './middleware/request.ts'
import type { AgentStreams } from './services/agentStreams.ts'
import { blueprintService } from './services/blueprints.ts'
import { clusterService } from './services/cluster.ts'
import { controllerService } from './services/controllers.ts'
import { docsService } from './services/docs.ts'
import { fleetService } from './services/fleets.ts'
import { hostService } from './services/hosts.ts'
import { metricsService } from './services/metrics.ts'
import { monitorService } from './services/monitor.ts'
import { placementService } from './services/placements.ts'
import { shipService } from './services/ships.ts'
import type { Stores } from './stores/stores.ts'

/** 5,000 holdings of a host, the largest body there is, take about 1 MB. */
const bodyLimitBytes = 2 * 1024 * 1024

export interface AppOptions {
  stores: Stores
  streams: AgentStreams
  adminToken: string
  runnerToken: string
  metricsToken?: string | undefined
  meters: Meters
  version: string
  log: Log
  /** One line a request; default: the same log. */
  accessLog?: Log
  /** Level of the lines of requests that change nothing. */
  logReads?: 'info' | 'debug'
}

export function createApp({
  stores,
  streams,
  adminToken,
  runnerToken,
  metricsToken,
  meters,
  version,
  log,
  accessLog = log,
  logReads = 'info',
}: AppOptions): OpenAPIHono<Env> {
  const app = new OpenAPIHono<Env>()
  measureCluster(meters.registry, stores)
  const hostOf = (credential: string) => stores.hosts.authenticate(credential)
  app.use(identify(accessLog, { watch: meters, reads: logReads }))
  app.use(authenticate({ adminToken, runnerToken, metricsToken, hostOf }))
  app.use('/v1/*', limitBody(bodyLimitBytes))
  app.onError(onError(log))
  app.notFound(onNotFound)
  for (const service of [
    blueprintService(stores),
    clusterService(stores),
    controllerService(stores),
    fleetService(stores),
    hostService(stores),
    metricsService(meters.registry),
    monitorService(stores, streams),
    placementService(stores, meters),
    shipService(stores),
  ]) {
    app.route('/', service)
  }
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  const info = {
    title: 'Armada',
    version,
    description: 'Deploys and scales gameservers on your own machines.',
  }
  app.route(
    '/',
    docsService(() => app.getOpenAPI31Document({ openapi: '3.1.0', info }) as unknown as Document),
  )
  return app
}
