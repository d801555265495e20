// All stores of an ApiServer, opened and closed together.
import type { Redis } from 'ioredis'
import type { Log } from '../../shared/log.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { roots } from '../../shared/zookeeper/paths.ts'
import { AllocationStore } from './allocations.ts'
import { AnswerStore } from './answers.ts'
import { ApiServers } from './apiServers.ts'
import { AuditStore } from './audit/audit.ts'
import { BerthStore } from './berths.ts'
import { BlueprintStore } from './blueprints.ts'
import { DeadLetterStore } from './deadLetters.ts'
import { EpochStore } from './epochs.ts'
import { connectEtcd } from './etcd/etcd.ts'
import type { Kv } from './etcd/kv.ts'
import { timedKv } from './etcd/timedKv.ts'
import { FleetStore } from './fleets.ts'
import { HostStore } from './hosts.ts'
import { Identities } from './identities.ts'
import { ImagePullStore } from './imagePulls.ts'
import { Dispatch } from './keeper/dispatch.ts'
import { type LeaderOf, leadersIn } from './keeper/elections.ts'
import { HostNodes } from './keeper/hostNodes.ts'
import { Leaders } from './keeper/leaders.ts'
import { EventLog } from './mirror/eventLog.ts'
import { Mirror } from './mirror/mirror.ts'
import { NoticeStore } from './notices.ts'
import { QuotaStore } from './quotas.ts'
import { QuestionStore } from './redis/questions.ts'
import { connectRedis, connectSubscriber } from './redis/redis.ts'
import { Refill } from './redis/refill.ts'
import { SampleStore } from './redis/samples.ts'
import { SessionStore } from './redis/sessions.ts'
import { timedRedis } from './redis/timedRedis.ts'
import { ShipStore } from './ships.ts'
import type { StoreWatch } from './storeWatch.ts'
import { TokenStore } from './tokens.ts'
import { WaiterStore } from './waiters.ts'
import { WebhookStore } from './webhooks.ts'

export interface Stores {
  kv: Kv
  mirror: Mirror
  ships: ShipStore
  fleets: FleetStore
  berths: BerthStore
  hosts: HostStore
  blueprints: BlueprintStore
  epochs: EpochStore
  notices: NoticeStore
  samples: SampleStore
  dispatch: Dispatch
  hostNodes: HostNodes
  leaders: Leaders
  answers: AnswerStore
  tokens: TokenStore
  identities: Identities
  audit: AuditStore
  quotas: QuotaStore
  eventLog: EventLog
  sessions: SessionStore
  questions: QuestionStore
  webhooks: WebhookStore
  deadLetters: DeadLetterStore
  allocations: AllocationStore
  apiServers: ApiServers
  waiters: WaiterStore
  imagePulls: ImagePullStore
}

export interface StoreSettings {
  etcd: string
  redis: string
  zookeeper: string
  zookeeperSecret: string | undefined
  sessionMs: number
  queueLimit: number
  auditDays: number
  auditMiB: number
}

export interface OpenStores extends Stores {
  close(): Promise<void>
}

/** Connects to the three stores and resolves once lookups can be served. Tries until the signal fires. */
export async function openStores(
  settings: StoreSettings,
  log: Log,
  signal: AbortSignal,
  watch: StoreWatch,
): Promise<OpenStores> {
  const kv = timedKv(connectEtcd(settings.etcd), watch)
  const redis: Redis = timedRedis(connectRedis(settings.redis, log), watch)
  const sessions = new SessionStore(redis, connectSubscriber(settings.redis), log)
  const questions = new QuestionStore(redis, connectSubscriber(settings.redis), log)
  let mirror: Mirror
  let leaders: LeaderOf
  const theMirror = () => mirror
  const ships = new ShipStore(kv, theMirror)
  const fleets = new FleetStore(kv, theMirror)
  const berths = new BerthStore(kv, theMirror)
  const hosts = new HostStore(kv, theMirror)
  const tokens = new TokenStore(kv, theMirror)
  const epochs = new EpochStore(kv, theMirror, () => leaders)
  const blueprints = new BlueprintStore(kv, redis, theMirror, log)
  const notices = new NoticeStore(kv, theMirror)
  const refill = new Refill(redis, log)
  const samples = new SampleStore({
    redis,
    subscriber: connectSubscriber(settings.redis),
    continuity: refill,
    hostOf: (ship) => ships.table.get(ship)?.value.host,
    log,
  })
  ships.table.onChange((id, after) => after ?? samples.forgetShip(id))
  hosts.table.onChange((id, after) => after ?? samples.forgetHost(id))
  const quotas = new QuotaStore(kv, theMirror)
  const tables = [
    ships.table,
    fleets.table,
    berths.table,
    hosts.table,
    tokens.table,
    epochs.table,
    notices.table,
    blueprints.heads,
    quotas.table,
  ]
  const audit = new AuditStore(kv, { days: settings.auditDays, mostMiB: settings.auditMiB, log })
  const eventLog = new EventLog({ kv, log })
  eventLog.follow('ships', ships.table)
  eventLog.follow('fleets', fleets.table)
  eventLog.follow('hosts', hosts.table)
  const deadLetters = new DeadLetterStore(kv, theMirror)
  const webhooks = new WebhookStore(kv, deadLetters, theMirror)
  const answers = new AnswerStore(kv)
  const apiServers = new ApiServers(kv, log)
  const waiters = new WaiterStore(kv)
  const imagePulls = new ImagePullStore(kv, theMirror)
  const told = [webhooks.table, webhooks.progress, deadLetters.table]
  const pulls = [imagePulls.table, imagePulls.holders, imagePulls.outcomes]
  mirror = new Mirror(kv, [...tables, ...told, ...pulls, apiServers.table, waiters.table], log, eventLog)
  const [zk] = await Promise.all([connectZooKeeper(settings, log, signal, watch), mirror.open(signal)])
  leaders = leadersIn(zk)
  const closed = new AbortController()
  const loops = Promise.all([
    apiServers.keep(closed.signal),
    refill.run([() => blueprints.refill(), () => samples.refill()], closed.signal),
    samples.follow(closed.signal),
  ])
  return {
    kv,
    mirror,
    ships,
    fleets,
    berths,
    hosts,
    blueprints,
    epochs,
    notices,
    samples,
    dispatch: new Dispatch(zk, settings.queueLimit, log, watch),
    hostNodes: new HostNodes(zk, (host) => hosts.read(host)),
    leaders: new Leaders(zk, epochs),
    answers,
    allocations: new AllocationStore(kv, answers),
    apiServers,
    waiters,
    imagePulls,
    tokens,
    identities: new Identities(kv, hosts, tokens),
    audit,
    quotas,
    eventLog,
    sessions,
    questions,
    webhooks,
    deadLetters,
    async close() {
      closed.abort()
      await loops
      await audit.close()
      await sessions.close()
      questions.close()
      await mirror.close()
      await zk.close()
      redis.disconnect()
      kv.close()
    },
  }
}

async function connectZooKeeper(
  settings: StoreSettings,
  log: Log,
  signal: AbortSignal,
  watch: StoreWatch,
): Promise<ZooKeeper> {
  const zk = await ZooKeeper.connect(
    {
      servers: settings.zookeeper,
      sessionTimeoutMs: settings.sessionMs,
      ...(settings.zookeeperSecret && { secret: settings.zookeeperSecret }),
      log,
      onSettled: (operation, ms, ok) => watch.called('zookeeper', operation, ms, ok),
    },
    signal,
  )
  for (const path of roots) await zk.ensurePath(path)
  return zk
}
