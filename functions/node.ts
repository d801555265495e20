// The ApiServer as a Node process: opens the stores, serves the app, shuts down without cutting requests off.
import { serve } from '@hono/node-server'
import { messageOf } from '../shared/errors.ts'
import { createBufferedLog, createLog } from '../shared/log.ts'
import { loop, sleep } from '../shared/loop.ts'
import { readSettings } from '../shared/settings.ts'
import { version } from '../shared/version.ts'
import { createApp } from './app.ts'
import { isGame } from './games.ts'
import { Meters } from './metrics/meters.ts'
import { AgentStreams } from './services/agentStreams.ts'
import { openStores } from './stores/stores.ts'

async function main(): Promise<void> {
  const settings = readSettings('api')
  const log = createLog('api', settings.logLevel)
  const access = createBufferedLog('api', settings.logLevel)
  const stopping = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.abort())

  const meters = new Meters()
  const stores = await openStores(settings, log, stopping.signal, meters.stores)
  const streams = new AgentStreams(stores.ships.table, stores.hosts.table)
  const logReads = settings.accessLog === 'all' ? 'info' : 'debug'
  const { adminToken, runnerToken, metricsToken } = settings
  const app = createApp({
    stores,
    streams,
    adminToken,
    runnerToken,
    metricsToken,
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

main().then(
  () => process.exit(),
  (error) => {
    process.stderr.write(`${messageOf(error)}\n`)
    process.exit(1)
  },
)
