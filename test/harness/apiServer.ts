// An ApiServer in this process, on real stores and a real port: what most tests of the API talk to.
import { type App, createApp } from '../../functions/app.ts'
import { isGame } from '../../functions/games.ts'
import { HttpServer } from '../../functions/httpServer.ts'
import { Meters } from '../../functions/metrics/meters.ts'
import { AgentStreams } from '../../functions/services/monitor/agentStreams.ts'
import { StreamDesk, type StreamLimits } from '../../functions/services/watch/streamDesk.ts'
import { type OpenStores, openStores } from '../../functions/stores/stores.ts'
import type { Stack } from '../../infra/stack/stack.ts'
import { type Client, connect } from '../../shared/api/client.ts'
import type { OfficeName } from '../../shared/api/offices.ts'
import { createLog, type Log } from '../../shared/log.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { takeOver } from './office.ts'

export const adminToken = 'test-admin-token-0123456789'
export const runnerToken = 'test-runner-token-0123456789'

export const metricsToken = 'test-metrics-token-0123456789'

export interface ApiServer {
  url: string
  app: App
  stores: OpenStores
  desk: StreamDesk
  admin: Client
  runner: Client
  as(token: string): Client
  /** Leads the office from now on, in place of whoever did. @returns the epoch. */
  lead(office: OfficeName): Promise<number>
  close(): Promise<void>
}

export interface ApiServerOptions {
  queueLimit?: number
  failedLoginsPerMinute?: number
  streams?: StreamLimits
  proxyHops?: number
  accessLog?: Log
}

export async function startApiServer(stack: Stack, options: ApiServerOptions = {}): Promise<ApiServer> {
  const log = createLog('api', process.env.ARMADA_LOG ?? 'silent')
  const ended = new AbortController()
  const meters = new Meters()
  const stores = await openStores(
    {
      etcd: stack.etcd.address,
      redis: stack.redis.address,
      zookeeper: stack.zookeeper.address,
      zookeeperSecret: undefined,
      // As long as ZooKeeper grants here: a busy machine stands still for seconds, and no test is about these sessions.
      sessionMs: 10_000,
      queueLimit: options.queueLimit ?? 2_000,
      auditDays: 30,
      auditMiB: 64,
    },
    log,
    ended.signal,
    meters.stores,
  )
  const streams = new AgentStreams(stores.ships.table, stores.hosts.table)
  const desk = new StreamDesk(options.streams)
  const app = createApp({
    stores,
    streams,
    desk,
    adminToken,
    runnerToken,
    metricsToken,
    failedLoginsPerMinute: options.failedLoginsPerMinute ?? 0,
    secretsKey: 'test-secrets-key-0123456789',
    webhookAllow: '127.0.0.0/8',
    meters,
    version: 'test',
    proxyHops: options.proxyHops ?? 0,
    isGame,
    log,
    ...(options.accessLog && { accessLog: options.accessLog }),
  })
  const server = await HttpServer.start({ ...app, host: '127.0.0.1', port: 0, log })
  const url = `http://127.0.0.1:${server.port}`
  const runner = connect({ url, token: runnerToken })
  let zk: Promise<ZooKeeper> | undefined
  return {
    url,
    app,
    stores,
    desk,
    admin: connect({ url, token: adminToken }),
    runner,
    async lead(office) {
      zk ??= ZooKeeper.connect({ servers: stack.zookeeper.address, log })
      return takeOver(await zk, office, runner)
    },
    as: (token) => connect({ url, token }),
    async close() {
      const onClosed = () => {
        streams.close()
        desk.close()
      }
      await server.stop({ delayMs: 0, limitMs: 0, onClosed })
      ended.abort()
      await (await zk)?.close()
      await stores.close()
    },
  }
}
