// The API: middleware and services put together. Knows stores, and nothing of the process it runs in.
import { OpenAPIHono } from '@hono/zod-openapi'
import { AddressGuard } from '../shared/addressGuard.ts'
import { agonesPath } from '../shared/api/agonesAllocation.ts'
import { joinPath } from '../shared/api/monitor.ts'
import type { Log } from '../shared/log.ts'
import { withCommonAnswers } from './docs/commonAnswers.ts'
import type { Document } from './docs/document.ts'
import { measureCluster } from './metrics/cluster.ts'
import type { Meters } from './metrics/meters.ts'
import { measureStreams } from './metrics/streams.ts'
import { audit } from './middleware/audit.ts'
import { authenticate, demandCaller, type Env } from './middleware/authenticate.ts'
import { Callers } from './middleware/callers.ts'
import { freshness } from './middleware/freshness.ts'
import { gzip, isList } from './middleware/gzip.ts'
import { idempotency } from './middleware/idempotency.ts'
import { limitBody, maxBodyBytes, strangerBytes } from './middleware/json.ts'
import { linger } from './middleware/linger.ts'
import { methodsOf } from './middleware/methods.ts'
import { onError, onNotFound } from './middleware/problems.ts'
import { FailedLogins, limitRates, TokenRates } from './middleware/rates.ts'
import { identify, literalPath } from './middleware/request.ts'
import { agonesAllocationService } from './services/agonesAllocations.ts'
import { Allocator } from './services/allocations/allocator.ts'
import { allocationService } from './services/allocations.ts'
import { auditService } from './services/audit.ts'
import { autoscalingService } from './services/autoscaling.ts'
import { blueprintService } from './services/blueprints.ts'
import { clusterService } from './services/cluster.ts'
import { controllerService } from './services/controllers.ts'
import { docsService } from './services/docs.ts'
import { eventService } from './services/events.ts'
import { fleetStepService } from './services/fleets/fleetSteps.ts'
import { fleetService } from './services/fleets.ts'
import { drainService } from './services/hosts/drains.ts'
import { hostOrderService } from './services/hosts/hostOrders.ts'
import { hostService } from './services/hosts.ts'
import { imagePullService } from './services/imagePulls.ts'
import { Readers } from './services/logs/readers.ts'
import { logService } from './services/logs.ts'
import { metricsService } from './services/metrics.ts'
import type { AgentStreams } from './services/monitor/agentStreams.ts'
import { monitorService } from './services/monitor.ts'
import { officeService } from './services/offices.ts'
import { simulationService } from './services/placements/simulations.ts'
import { whereaboutsService } from './services/placements/whereabouts.ts'
import { placementService } from './services/placements.ts'
import { plainAllocation } from './services/plain/plainAllocation.ts'
import { plainLookup } from './services/plain/plainLookup.ts'
import { type PlainHandler, PlainWay } from './services/plain/plainWay.ts'
import { quotaService } from './services/quotas.ts'
import { secretService } from './services/secrets.ts'
import { ShipTexts } from './services/ships/shipTexts.ts'
import { shipService } from './services/ships.ts'
import { tokenService } from './services/tokens.ts'
import type { StreamDesk } from './services/watch/streamDesk.ts'
import { watching } from './services/watch/watching.ts'
import { deadLetterService } from './services/webhooks/deadLetters.ts'
import { deliveryService } from './services/webhooks/deliveries.ts'
import { webhookService } from './services/webhooks.ts'
import { Seal } from './stores/seal.ts'
import type { Stores } from './stores/stores.ts'

const about = `Deploys and scales gameservers on your own machines.

Every GET says in \`X-Armada-Revision\` which revision of the store it shows at least. It misses nothing that was
acknowledged more than 3 s before, mostly milliseconds; when it may, as while etcd is away, \`X-Armada-Stale\` says for
how many seconds, and writes are refused with 503. With \`?consistent=true\` it misses nothing that was acknowledged
before. A single record has its revision as \`ETag\`; writes of ships, fleets and hosts take it back as \`If-Match\`.

Every POST takes an \`Idempotency-Key\`: for 24 h the same key with the same body has one effect and the same answer
(\`Idempotency-Replayed: true\`), and with another body it is refused.`

export interface AppOptions {
  stores: Stores
  streams: AgentStreams
  /** Where readers of events hold their streams. */
  desk: StreamDesk
  adminToken?: string | undefined
  runnerToken: string
  metricsToken?: string | undefined
  /** Wrong tokens that one client address may send in a minute; 0: any number. */
  failedLoginsPerMinute: number
  /** Seals the secrets of ships and webhooks; undefined: they stand in etcd as they are. */
  secretsKey?: string | undefined
  /** Private addresses that webhooks may go to. */
  webhookAllow?: string | undefined
  meters: Meters
  version: string
  /** Whether query probes can ask a game of that type. */
  isGame: (type: string) => Promise<boolean>
  log: Log
  /** One line a request; default: the same log. */
  accessLog?: Log
  /** Level of the lines of requests that change nothing. */
  logReads?: 'info' | 'debug'
  /** Proxies of our own before this server. */
  proxyHops?: number
  /** Fires when this server is about to leave: it still answers, and says that it is not ready. */
  stopping?: AbortSignal
}

export interface App {
  fetch: OpenAPIHono<Env>['fetch']
  /** To be asked first, where requests come as Node has them. */
  plain: PlainHandler
}

export function createApp({
  stores,
  streams,
  desk,
  adminToken,
  runnerToken,
  metricsToken,
  failedLoginsPerMinute,
  secretsKey,
  webhookAllow = '',
  meters,
  version,
  isGame,
  log,
  accessLog = log,
  logReads = 'info',
  proxyHops = 0,
  stopping,
}: AppOptions): App {
  const app = new OpenAPIHono<Env>()
  const seal = new Seal(secretsKey)
  const readers = new Readers()
  const guard = new AddressGuard(webhookAllow)
  measureCluster(meters.registry, stores)
  measureStreams(meters.registry, { events: desk, logs: readers, agents: streams })
  const watch = watching(stores, desk)
  stores.tokens.table.onChange((name) => desk.endOf(name))
  const requests = { watch: meters, reads: logReads, proxyHops }
  app.use(linger)
  app.use(identify(accessLog, requests))
  app.use(audit(stores.audit))
  app.use(literalPath)
  const logins = new FailedLogins(failedLoginsPerMinute)
  const rates = new TokenRates()
  const callers = new Callers({ adminToken, runnerToken, metricsToken, identities: stores.identities })
  const known = authenticate(callers, logins.assertMayTry)
  // Whatever else there is, such as /healthz, is for everybody, whatever they show.
  for (const path of ['/v1/*', agonesPath, '/metrics']) app.use(path, known, limitRates(logins, rates))
  for (const path of ['/v1/*', agonesPath]) app.use(path, demandCaller)
  app.use(joinPath, limitBody(strangerBytes))
  for (const path of ['/v1/*', agonesPath])
    app.use(path, limitBody(maxBodyBytes), freshness(stores.mirror), idempotency(stores.answers))
  app.onError(onError(log))
  app.notFound(onNotFound((path) => methodsOf(app.routes, path)))
  const allocator = new Allocator(stores, (result, seconds) => meters.allocation(result, seconds), log)
  stopping?.addEventListener('abort', () => allocator.stop(), { once: true })
  const texts = new ShipTexts(stores)
  for (const service of [
    agonesAllocationService(allocator),
    allocationService(stores, allocator),
    auditService(stores),
    autoscalingService(stores),
    blueprintService(stores, isGame),
    clusterService(stores, version, stopping),
    controllerService(stores),
    deadLetterService(stores),
    deliveryService(stores, seal, log),
    drainService(stores),
    eventService(stores, watch),
    fleetStepService(stores),
    fleetService(stores, watch, guard),
    hostOrderService(stores),
    hostService(stores, watch),
    imagePullService(stores),
    logService(stores, streams, readers),
    metricsService(meters.registry),
    monitorService(stores, streams),
    officeService(stores),
    placementService(stores, meters),
    whereaboutsService(stores),
    quotaService(stores),
    shipService(stores, watch, texts),
    simulationService(stores, stopping),
    tokenService(stores),
    secretService(stores, seal),
    webhookService(stores, seal, guard),
  ]) {
    for (const entry of service.openAPIRegistry.definitions) {
      if (entry.type === 'route' && isList(entry.route))
        app.get(entry.route.path.replaceAll(/\{(\w+)\}/g, ':$1'), ...gzip)
    }
    app.route('/', service)
  }
  app.get('/openapi.json', ...gzip).get('/docs', ...gzip)
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  const info = { title: 'Armada', version, description: about }
  app.route(
    '/',
    docsService(() =>
      withCommonAnswers(app.getOpenAPI31Document({ openapi: '3.1.0', info }) as unknown as Document),
    ),
  )
  const way = new PlainWay({ audit: stores.audit, callers, rates, log: accessLog, requests })
  const lookup = plainLookup(stores, texts, way)
  const allocation = plainAllocation(stores, allocator, way, log)
  return { fetch: app.fetch, plain: (...request) => lookup(...request) || allocation(...request) }
}
