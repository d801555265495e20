// The ApiServer as a Node process: opens the stores, serves the app, shuts down without cutting requests off.
import { serve } from '@hono/node-server'
import { messageOf } from '../shared/errors.ts'
import { createBufferedLog, createLog } from '../shared/log.ts'
import { loop, sleep } from '../shared/loop.ts'
import { readSettings } from '../shared/settings.ts'
import { version } from '../shared/version.ts'
import { createApp } from './app.ts'
import { assertSafeToExpose } from './exposure.ts'
import { isGame } from './games.ts'
import { Meters } from './metrics/meters.ts'
import { AgentStreams } from './services/agentStreams.ts'
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
  const stopping = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.abort())

  const meters = new Meters()
  const stores = await openStores(settings, log, stopping.signal, meters.stores)
  if (!settings.adminToken) await showFirstToken(stores, stopping.signal)
  const streams = new AgentStreams(stores.ships.table, stores.hosts.table)
  const logReads = settings.accessLog === 'all' ? 'info' : 'debug'
  const { adminToken, runnerToken, metricsToken, failedLoginsPerMinute } = settings
  const app = createApp({
    stores,
    streams,
    adminToken,
    runnerToken,
    metricsToken,
    failedLoginsPerMinute,
    meters,
    version,
    isGame,
    log,
    accessLog: access.log,
    logReads,
  })

  const server = serve(
    { fetch: app.fetch, hostname: settings.listenHost, port: settings.listenPort },
    ({ port }) => {
      log.info({ url: `http://${settings.listenHost}:${port}` }, 'listening')
    },
  )
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  server.once('error', (error) => {
    log.error({ error: messageOf(error) }, 'cannot listen')
    process.exitCode = 1
    stopping.abort()
  })

  void loop({ name: 'access log', everyMs: 500, signal: stopping.signal, log }, async () => access.flush())
  await new Promise<void>((resolve) =>
    stopping.signal.addEventListener('abort', () => resolve(), { once: true }),
  )
  log.info({}, 'stopping')
  streams.close()
  server.close()
  await Promise.race([closed, sleep(settings.drainMs)])
  if ('closeAllConnections' in server) server.closeAllConnections()
  await stores.close()
  access.flush()
}

/** Where no settings name an admin: the first ApiServer of a cluster makes the first admin's token. */
async function showFirstToken({ tokens }: Pick<Stores, 'tokens'>, signal: AbortSignal): Promise<void> {
  const text = await tokens.createFirst('first-admin', signal)
  if (text === undefined) return
  process.stdout.write(`
This cluster is new. The token of its first admin, shown only once:

  ${text}

Keep it safe, or make others with it (\`armada create-token\`) and revoke it (\`armada revoke-token first-admin\`).

`)
}

main().then(
  () => process.exit(),
  (error) => {
    process.stderr.write(`${messageOf(error)}\n`)
    process.exit(1)
  },
)
