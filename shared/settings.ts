// Every setting of every process in one table, read once from the environment and frozen.
import { hostname } from 'node:os'
import { type ZodType, z } from 'zod'
import { parseRanges } from './addressGuard.ts'
import { messageOf } from './errors.ts'
import { Address } from './model/address.ts'
import { Name } from './model/name.ts'

export type ProcessRole = 'api' | 'runner' | 'agent'

interface Setting<T> {
  /** Name of the environment variable. */
  env: string
  /** The processes that read it. No other is given it: only the ApiServer knows etcd and Redis. */
  roles: readonly ProcessRole[]
  schema: ZodType<T>
  about: string
}

function setting<T>(
  env: string,
  roles: readonly ProcessRole[],
  schema: ZodType<T>,
  about: string,
): Setting<T> {
  return { env, roles, schema, about }
}

const all: readonly ProcessRole[] = ['api', 'runner', 'agent']
const milliseconds = (byDefault: number) => z.coerce.number().int().min(1).default(byDefault)
const address = z
  .string()
  .regex(
    /^(https?:\/\/)?[^\s:,/]+:\d+(,(https?:\/\/)?[^\s:,/]+:\d+)*$/,
    'must be host:port, or several with commas',
  )
/** Paths begin with one. */
export const withoutSlash = (url: string): string => url.replace(/\/+$/, '')
const secret = z.string().min(16, 'must have at least 16 characters')
const ranges = z
  .string()
  .default('')
  .superRefine((text, context) => {
    try {
      parseRanges(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: `lists ranges with commas: ${messageOf(error)}` })
    }
  })

export const settings = {
  logLevel: setting(
    'ARMADA_LOG',
    all,
    z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
    'Least level that is logged',
  ),
  zookeeper: setting(
    'ARMADA_ZOOKEEPER',
    all,
    z.string().regex(/^[^\s:,]+:\d+(,[^\s:,]+:\d+)*(\/[\w/-]+)?$/, 'must be host:port[,host:port…][/chroot]'),
    'Addresses of ZooKeeper',
  ),
  zookeeperSecret: setting(
    'ARMADA_ZOOKEEPER_SECRET',
    all,
    secret.optional(),
    'Protects the ZooKeeper tree with digest ACLs; the same for all processes',
  ),
  sessionMs: setting(
    'ARMADA_SESSION_MS',
    all,
    milliseconds(10_000),
    'ZooKeeper session timeout: how soon a dead leader or agent is noticed',
  ),

  listenHost: setting(
    'ARMADA_LISTEN_HOST',
    ['api'],
    z.string().default('127.0.0.1'),
    'Address the ApiServer listens on',
  ),
  listenPort: setting(
    'ARMADA_LISTEN_PORT',
    ['api'],
    z.coerce.number().int().min(0).max(65_535).default(7700),
    'Port the ApiServer listens on; 0 picks a free one',
  ),
  etcd: setting('ARMADA_ETCD', ['api'], address, 'Addresses of etcd'),
  redis: setting(
    'ARMADA_REDIS',
    ['api'],
    z.string().regex(/^(rediss?:\/\/)?[^\s/]+:\d+(\/\d+)?$/, 'must be host:port or a redis:// URL'),
    'Address of Redis',
  ),
  adminToken: setting(
    'ARMADA_ADMIN_TOKEN',
    ['api'],
    secret.optional(),
    'Bearer token with every right of a person; without it the first ApiServer of a new cluster makes one and shows it',
  ),
  runnerToken: setting(
    'ARMADA_RUNNER_TOKEN',
    ['api', 'runner'],
    secret,
    'Bearer token of the scheduler and the controllers',
  ),
  metricsToken: setting(
    'ARMADA_METRICS_TOKEN',
    ['api'],
    secret.optional(),
    'Bearer token with which Prometheus may read /metrics, and nothing else',
  ),
  accessLog: setting(
    'ARMADA_ACCESS_LOG',
    ['api'],
    z.enum(['all', 'changes']).default('all'),
    'Requests that get a log line at info: all, or only those that change something',
  ),
  auditDays: setting(
    'ARMADA_AUDIT_DAYS',
    ['api'],
    z.coerce.number().int().min(1).max(3_650).default(30),
    'Days that entries of the audit log are kept',
  ),
  auditMiB: setting(
    'ARMADA_AUDIT_MIB',
    ['api'],
    z.coerce.number().min(1).max(4_096).default(256),
    'Space in etcd for the audit entries that one ApiServer writes from its start on; the oldest go first',
  ),
  failedLoginsPerMinute: setting(
    'ARMADA_FAILED_LOGINS_PER_MINUTE',
    ['api'],
    z.coerce.number().int().min(0).max(1_000_000).default(60),
    'Requests with a wrong token that one client address may make in a minute; 0: no limit',
  ),
  queueLimit: setting(
    'ARMADA_QUEUE_LIMIT',
    ['api'],
    z.coerce.number().int().min(1).default(2_000),
    'Entries in the scheduler queue past which new ships are refused with 429',
  ),
  leaveMs: setting(
    'ARMADA_LEAVE_MS',
    ['api'],
    z.coerce.number().int().min(0).default(0),
    'At shutdown, time during which /readyz says 503 and requests are still taken, for the load balancer to see it',
  ),
  streamLimit: setting(
    'ARMADA_STREAM_LIMIT',
    ['api'],
    z.coerce.number().int().min(1).default(1_000),
    'Streams of events that an ApiServer serves at once; more are sent elsewhere with 503',
  ),
  streamsPerCaller: setting(
    'ARMADA_STREAMS_PER_CALLER',
    ['api'],
    z.coerce.number().int().min(1).default(200),
    'Streams of events that one caller may hold at an ApiServer; more are refused with 429',
  ),
  drainMs: setting(
    'ARMADA_DRAIN_MS',
    ['api'],
    milliseconds(5_000),
    'At shutdown, time for requests under way',
  ),
  tlsCert: setting(
    'ARMADA_TLS_CERT',
    ['api'],
    z.string().optional(),
    'File with the certificate and its chain, as PEM: the ApiServer then speaks HTTPS',
  ),
  tlsKey: setting('ARMADA_TLS_KEY', ['api'], z.string().optional(), 'File with the key of the certificate'),
  proxyHops: setting(
    'ARMADA_PROXY_HOPS',
    ['api'],
    z.coerce.number().int().min(0).max(10).default(0),
    'Proxies before the ApiServer that add to X-Forwarded-For; 0: the header is not believed',
  ),
  requestMs: setting(
    'ARMADA_REQUEST_MS',
    ['api'],
    milliseconds(20_000),
    'Time for a request to arrive, headers and body; slower ones get 408',
  ),
  keepAliveMs: setting(
    'ARMADA_KEEP_ALIVE_MS',
    ['api'],
    milliseconds(75_000),
    'Time that an idle connection is kept; longer than the load balancer keeps it',
  ),
  maxConnections: setting(
    'ARMADA_MAX_CONNECTIONS',
    ['api'],
    z.coerce.number().int().min(1).default(10_000),
    'Connections at a time; more are turned away',
  ),

  secretsKey: setting(
    'ARMADA_SECRETS_KEY',
    ['api'],
    secret.optional(),
    'Seals the secrets of ships and webhooks in etcd; the same for all ApiServers. Without it they stand there as they are',
  ),
  webhookAllow: setting(
    'ARMADA_WEBHOOK_ALLOW',
    ['api', 'runner'],
    ranges,
    'Ranges of private addresses that webhooks may go to, also by plain http: 10.0.0.0/8,fd00::/8',
  ),

  api: setting(
    'ARMADA_API',
    ['runner', 'agent'],
    z
      .url({ protocol: /^https?$/ })
      .transform(withoutSlash)
      .default('http://127.0.0.1:7700'),
    'URL of the ApiServer, or of the load balancer before it',
  ),

  ticketLostMs: setting(
    'ARMADA_TICKET_LOST_MS',
    ['runner'],
    milliseconds(20_000),
    'A Queued ship that no scheduler holds for so long is queued again',
  ),
  unclaimedMs: setting(
    'ARMADA_UNCLAIMED_MS',
    ['runner'],
    milliseconds(20_000),
    'A Scheduled ship that no agent claims for so long is queued again',
  ),
  forgetMs: setting(
    'ARMADA_FORGET_MS',
    ['runner'],
    milliseconds(3_600_000),
    'How long records of ended ships are kept',
  ),

  hostId: setting(
    'ARMADA_HOST_ID',
    ['agent'],
    Name.default(() =>
      hostname()
        .toLowerCase()
        .replace(/[^a-z0-9-]/g, '-'),
    ),
    'Name of this host',
  ),
  hostAddress: setting(
    'ARMADA_HOST_ADDRESS',
    ['agent'],
    Address.optional(),
    'Where players reach its ships; default: the first address that is not loopback',
  ),
  joinToken: setting(
    'ARMADA_JOIN_TOKEN',
    ['agent'],
    z.string().optional(),
    'One-time token; needed at the first start only',
  ),
  stateDir: setting(
    'ARMADA_STATE_DIR',
    ['agent'],
    z.string().default('/var/lib/armada'),
    'Where the agent keeps its credential',
  ),
  secretsDir: setting(
    'ARMADA_SECRETS_DIR',
    ['agent'],
    z
      .string()
      .regex(/^(\/[A-Za-z0-9_.-]+)+$/, 'must be a whole path')
      .default('/run/armada'),
    'Folder on a tmpfs that holds the secrets of its ships',
  ),
  registryAuth: setting(
    'ARMADA_REGISTRY_AUTH',
    ['agent'],
    z.string().optional(),
    "File with the credentials of registries, in the format of Docker's config.json",
  ),
  imageHighPercent: setting(
    'ARMADA_IMAGE_HIGH_PERCENT',
    ['agent'],
    z.coerce.number().min(0).max(100).default(85),
    "Use of Docker's disk past which images that Armada pulled and nobody needs are removed; 100: never",
  ),
  imageLowPercent: setting(
    'ARMADA_IMAGE_LOW_PERCENT',
    ['agent'],
    z.coerce.number().min(0).max(100).default(80),
    'Use of the disk down to which they are removed',
  ),
  imageMinAgeMs: setting(
    'ARMADA_IMAGE_MIN_AGE_MS',
    ['agent'],
    z.coerce.number().int().min(0).default(120_000),
    'How long an image must not have been used before it is removed',
  ),
  credentialMs: setting(
    'ARMADA_CREDENTIAL_MS',
    ['agent'],
    milliseconds(86_400_000),
    'How old the credential of the host gets before the agent has it replaced',
  ),
  docker: setting(
    'ARMADA_DOCKER',
    ['agent'],
    z.string().default('/var/run/docker.sock'),
    'Socket of the Docker engine',
  ),
  cpuMillis: setting(
    'ARMADA_CPU_MILLIS',
    ['agent'],
    z.coerce.number().int().min(1).optional(),
    'CPU for ships; default: all cores',
  ),
  memoryMiB: setting(
    'ARMADA_MEMORY_MIB',
    ['agent'],
    z.coerce.number().int().min(1).optional(),
    'Memory for ships; default: all but 512 MiB or a tenth',
  ),
  diskMiB: setting(
    'ARMADA_DISK_MIB',
    ['agent'],
    z.coerce.number().int().min(0).optional(),
    "Disk for ships; default: nine tenths of Docker's file system, taken to be that of /var/lib/docker",
  ),
  extraResources: setting(
    'ARMADA_EXTRA_RESOURCES',
    ['agent'],
    z.string().default(''),
    'Named resources for ships as gpu=2,license=10; only counted',
  ),
  overcommit: setting(
    'ARMADA_OVERCOMMIT',
    ['agent'],
    z.string().default(''),
    'How many times over resources are given to ships, as cpu=2,memory=1.2; default: 1',
  ),
  reserved: setting(
    'ARMADA_RESERVED',
    ['agent'],
    z.string().default(''),
    'What is kept from ships after the overcommit, as cpu=500,memory=10%,disk=20480',
  ),
  portRange: setting(
    'ARMADA_PORTS',
    ['agent'],
    z
      .string()
      .regex(/^\d+-\d+$/, 'must look like 7000-8000')
      .default('7000-8000'),
    'Host ports for ships',
  ),
  portRanges: setting(
    'ARMADA_PORT_RANGES',
    ['agent'],
    z
      .string()
      .regex(
        /^([a-z0-9-]+:\d+-\d+(,[a-z0-9-]+:\d+-\d+)*)?$/,
        'must look like game:9000-9399,query:27000-27999',
      )
      .default(''),
    'Further ranges of host ports by name, for ports of blueprints that name theirs',
  ),
  sdkPorts: setting(
    'ARMADA_SDK_PORTS',
    ['agent'],
    z
      .string()
      .regex(/^\d+-\d+$/, 'must look like 9400-9899')
      .default('9400-9899'),
    "Ports on loopback for the SDK of ships on the host's network, two each",
  ),
  hostLabels: setting(
    'ARMADA_HOST_LABELS',
    ['agent'],
    z.string().default(''),
    'Labels as key=value,key=value',
  ),
  hostTaints: setting(
    'ARMADA_HOST_TAINTS',
    ['agent'],
    z.string().default(''),
    'Taints as key=value,key: only ships that tolerate all of them come here',
  ),
  onStop: setting(
    'ARMADA_ON_STOP',
    ['agent'],
    z.enum(['keep', 'return']).default('keep'),
    'When the agent is stopped: keep its ships running for the next agent, or return them to the queue. SIGHUP always keeps them, SIGUSR2 always returns them',
  ),
} as const

type Table = typeof settings
type NamesFor<R extends ProcessRole> = {
  [K in keyof Table]: R extends Table[K]['roles'][number] ? K : never
}[keyof Table]
export type Settings<R extends ProcessRole> = Readonly<{
  [K in NamesFor<R>]: Table[K] extends Setting<infer T> ? T : never
}>

/**
 * Reads the settings of one role.
 * @throws Error that names every setting which is missing or wrong, and what it is for.
 */
export function readSettings<R extends ProcessRole>(
  role: R,
  env: NodeJS.ProcessEnv = process.env,
): Settings<R> {
  const values: Record<string, unknown> = {}
  const wrong: string[] = []
  for (const [name, { env: variable, roles, schema, about }] of Object.entries(settings)) {
    if (!roles.includes(role)) continue
    const raw = env[variable]
    const read = schema.safeParse(raw === '' ? undefined : raw)
    if (read.success) values[name] = read.data
    else if (raw === undefined) wrong.push(`${variable} is not set (${about})`)
    else wrong.push(`${variable} ${read.error.issues.map((issue) => issue.message).join(', ')} (${about})`)
  }
  if (wrong.length > 0) throw new Error(`Armada (${role}) cannot start:\n  ${wrong.join('\n  ')}`)
  return Object.freeze(values) as Settings<R>
}

/**
 * The environment of a child process of one role: the given settings, and none that are another role's,
 * even if this process has them. An empty variable counts as not set.
 */
export function environmentFor<R extends ProcessRole>(
  role: R,
  values: Partial<Settings<R>>,
): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const [name, { env, roles }] of Object.entries(settings)) {
    const value = (values as Record<string, unknown>)[name]
    if (!roles.some((other) => other === role)) environment[env] = ''
    else if (value !== undefined) environment[env] = String(value)
  }
  return environment
}
