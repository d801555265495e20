// The ApiServer as a Node process: opens the stores, serves the app, shuts down without cutting requests off.
import { messageOf } from '../shared/errors.ts'
import { createBufferedLog, createLog, type Log } from '../shared/log.ts'
import { loop } from '../shared/loop.ts'
import { readSettings, type Settings } from '../shared/settings.ts'
import { version } from '../shared/version.ts'
import { createApp } from './app.ts'
import { Certificate } from './certificate.ts'
import { assertSafeToExpose } from './exposure.ts'
import { isGame } from './games.ts'
import { HttpServer } from './httpServer.ts'
import { Meters } from './metrics/meters.ts'
import { AgentStreams } from './services/monitor/agentStreams.ts'
import { StreamDesk } from './services/watch/streamDesk.ts'
import { openStores, type Stores } from './stores/stores.ts'

async function main(): Promise<void> {
  const settings = readSettings('api')
  assertSafeToExpose(settings.listenHost, {
    ARMADA_ADMIN_TOKEN: settings.adminToken,
    ARMADA_RUNNER_TOKEN: settings.runnerToken,
    ARMADA_METRICS_TOKEN: settings.metricsToken,
    ARMADA_ZOOKEEPER_SECRET: settings.zookeeperSecret,
  })
  const log = createLog('api', settings.logLevel)
  const access = createBufferedLog('api', settings.logLevel)
  const certificate = certificateOf(settings, log)
  const stopping = new AbortController()
  // The stores outlive it, for the requests that are then still under way.
  const ended = new AbortController()
  const endEarly = () => ended.abort()
  stopping.signal.addEventListener('abort', endEarly)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.abort())

  const meters = new Meters()
  const stores = await openStores(settings, log, ended.signal, meters.stores)
  if (!settings.adminToken) await showFirstToken(stores, ended.signal, log)
  const streams = new AgentStreams(stores.ships.table, stores.hosts.table)
  const desk = new StreamDesk({ total: settings.streamLimit, perCaller: settings.streamsPerCaller })
  const logReads = settings.accessLog === 'all' ? 'info' : 'debug'
  const { adminToken, runnerToken, metricsToken, failedLoginsPerMinute, secretsKey, webhookAllow } = settings
  const app = createApp({
    stores,
    streams,
    desk,
    adminToken,
    runnerToken,
    metricsToken,
    failedLoginsPerMinute,
    secretsKey,
    webhookAllow,
    meters,
    version,
    isGame,
    log,
    accessLog: access.log,
    logReads,
    proxyHops: settings.proxyHops,
    stopping: stopping.signal,
  })

  const { listenHost: host, listenPort: port, requestMs, keepAliveMs, maxConnections } = settings
  const server = await HttpServer.start({
    ...{ ...app, host, port, certificate, log: access.log },
    ...{ requestMs, keepAliveMs, maxConnections },
  })
  log.info({ url: `http${certificate ? 's' : ''}://${host}:${server.port}` }, 'listening')
  stopping.signal.removeEventListener('abort', endEarly)
  certificate?.follow(ended.signal)
  if (certificate) process.on('SIGHUP', certificate.reload)
  void loop({ name: 'access log', everyMs: 500, signal: ended.signal, log }, async () => access.flush())

  await aborted(stopping.signal)
  log.info({}, 'stopping')
  await server.stop({
    delayMs: settings.leaveMs,
    limitMs: settings.drainMs,
    onClosed: () => {
      streams.close()
      desk.close()
    },
  })
  ended.abort()
  await stores.close()
  access.flush()
}

/** Where no settings name an admin: the first ApiServer of a cluster makes the first admin's token. */
async function showFirstToken(
  { tokens }: Pick<Stores, 'tokens'>,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  const text = await tokens.createFirst('first-admin', signal)
  if (text === undefined) return
  process.stdout.once('error', (error) =>
    log.error(
      { error: messageOf(error) },
      'the token of the first admin could not be shown; set ARMADA_ADMIN_TOKEN to get in',
    ),
  )
  process.stdout.write(`
This cluster is new. The token of its first admin, shown only once:

  ${text}

Keep it safe, or make others with it (\`armada create-token\`) and revoke it (\`armada revoke-token first-admin\`).

`)
}

/** @throws when only one of the two is set, or they cannot be used. */
function certificateOf({ tlsCert, tlsKey }: Settings<'api'>, log: Log): Certificate | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined
  if (tlsCert && tlsKey) return new Certificate({ cert: tlsCert, key: tlsKey }, log)
  throw new Error('ARMADA_TLS_CERT and ARMADA_TLS_KEY belong together: set both or none')
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

main().then(
  () => process.exit(),
  (error) => {
    process.stderr.write(`${messageOf(error)}\n`)
    process.exit(1)
  },
)
