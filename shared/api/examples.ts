// What the API's document shows as examples: one small world, the same in every request and answer.
import type { z } from 'zod'
import type { AllocationRequest, AllocationView } from '../model/allocation.ts'
import type { AuditEntry } from '../model/auditEntry.ts'
import type { Blueprint, BlueprintSpec } from '../model/blueprint.ts'
import type { ArmadaEvent } from '../model/event.ts'
import type { ShipPlacement } from '../model/explanation.ts'
import type { FleetView } from '../model/fleet.ts'
import type { HostView } from '../model/host.ts'
import type { HostPullView, ImagePullView } from '../model/imagePull.ts'
import type { FleetQuotaView } from '../model/quota.ts'
import type { ShipView } from '../model/ship.ts'
import type { Quota, TokenRequest, TokenView } from '../model/token.ts'

const lifecycle = {
  graceMs: 5_000,
  startAttempts: 5,
  restart: { policy: 'never', most: 5 },
  hostLost: { policy: 'replace', afterMs: 30_000 },
} as const

const spec: BlueprintSpec = {
  image: 'registry.example/arena:1.4',
  env: { GAME_MAP: 'am_underworks' },
  readOnlyRoot: true,
  tmpfs: [],
  volumes: [],
  secrets: [],
  capabilities: [],
  limits: { cpu: 'quota', pids: 512, logMiB: 30, ulimits: {} },
  network: 'bridge',
  console: 'stdin',
  resources: { cpuMillis: 500, memoryMiB: 256 },
  ports: [{ name: 'game', protocol: 'udp', policy: 'dynamic', containerPort: 27_960 }],
  probe: {
    type: 'query',
    game: 'openarena',
    port: 'game',
    periodMs: 2_000,
    timeoutMs: 500,
    failures: 3,
    startLimitMs: 120_000,
  },
  placement: {
    strategy: 'packed',
    require: [{ key: 'region', operator: 'In', values: ['eu'] }],
    prefer: [],
    antiAffinity: 'none',
    tolerations: [],
  },
  lifecycle,
  labels: { mode: 'duel' },
}

const blueprint: Blueprint = { name: 'arena', revision: 2, spec, createdAt: '2026-11-02T18:00:00.000Z' }

const publish: z.input<typeof BlueprintSpec> = {
  image: spec.image,
  ports: [{ name: 'game', containerPort: 27_960 }],
  probe: { type: 'query', game: 'openarena', port: 'game' },
}

const ship: ShipView = {
  id: 'arena-d87jtxqw',
  fleet: 'lobby',
  blueprint: { name: 'arena', revision: 2 },
  labels: { mode: 'duel' },
  priority: 50,
  state: 'Ready',
  stateSince: '2026-11-02T18:04:07.812Z',
  attempt: 1,
  failedStarts: 0,
  reason: null,
  host: 'fra-07',
  address: '203.0.113.7',
  ports: [{ name: 'game', protocol: 'udp', containerPort: 27_960, hostPort: 7_025 }],
  resources: { cpuMillis: 500, memoryMiB: 256 },
  avoidHosts: [],
  exit: null,
  createdAt: '2026-11-02T18:04:06.950Z',
  readyAt: '2026-11-02T18:04:07.812Z',
  revision: '4711',
  sample: { players: 3, maxPlayers: 16, map: 'am_underworks', cpuMillis: 41, memoryMiB: 63 },
}

const placement: ShipPlacement = {
  ...{ ship: ship.id, state: 'Ready', attempt: 1, failedStarts: 0, host: 'fra-07' },
  ...{ since: '2026-11-02T18:04:06.981Z', reason: null, refusals: 0 },
  hosts: {
    all: 13,
    feasible: 8,
    ruledOut: [
      { rule: 'memory', hosts: 4 },
      { rule: 'closed', hosts: 1 },
    ],
  },
  score: { strategy: 71, preferred: 0, apart: 0 },
  summary:
    'On fra-07 since 2026-11-02T18:04:06.981Z, the best of 8 hosts that could take it (score 71); 4 others had not enough memory; 1 other took no new ships (cordoned or degraded).',
}

const simulation = {
  ...{ count: 20, fitting: 20, more: 31, moreIsExact: true },
  hosts: [
    { host: 'fra-07', ships: 14 },
    { host: 'fra-02', ships: 6 },
  ],
  reason:
    '12 hosts: not enough memory (wants 256 MiB, best has 112); 1 host: takes no new ships (cordoned: new kernel)',
  ruledOut: [
    { rule: 'memory' as const, hosts: 12 },
    { rule: 'closed' as const, hosts: 1 },
  ],
}

const defragmentation = {
  emptiable: [{ host: 'fra-02', moves: [{ ship: ship.id, to: 'fra-07' }] }],
  kept: [{ host: 'fra-11', ships: 9, inUse: 4, reason: '4 of its ships are in use' }],
  empty: 3,
  complete: true,
}

const allocation: AllocationView = {
  ...{ id: 'arena-d87jtxqw-x7k2p', ship: 'arena-d87jtxqw', fleet: 'lobby', state: 'Allocated' },
  ...{ host: 'fra-07', address: '203.0.113.7', ports: ship.ports },
  labels: { mode: 'duel', match: 'final' },
  annotations: { map: 'am_underworks' },
  counters: {},
  lists: {},
  ...{ at: '2026-11-02T18:04:08.101Z', by: 'matchmaker', leaseUntil: '2026-11-02T18:04:38.101Z' },
}

const allocate: z.input<typeof AllocationRequest> = {
  selectors: [{ fleet: 'lobby', matchLabels: { mode: 'duel' } }, { fleet: 'lobby' }],
  labels: { match: 'final' },
  annotations: { map: 'am_underworks' },
  leaseSeconds: 30,
}

const queued: ShipView = {
  ...ship,
  ...{ id: 'arena-ps341ctp', fleet: null, state: 'Queued', stateSince: '2026-11-02T18:04:06.950Z' },
  ...{ host: null, address: null, ports: [], readyAt: null, revision: '4709', sample: null },
}

const fleet: FleetView = {
  name: 'lobby',
  blueprint: { name: 'arena', revision: 2 },
  replicas: 20,
  labels: {},
  priority: 50,
  deleting: false,
  generation: 3,
  createdAt: '2026-11-02T18:04:06.731Z',
  revision: '4698',
  strategy: { type: 'recreate', minReadyMs: 1_000, maxFailures: 3 },
  rollout: null,
  failures: 0,
  ships: { Ready: 18, Queued: 2 },
  message: '4 hosts: not enough memory (wants 256 MiB, best has 112)',
}

const crew = { ready: 0, inUse: 0, coming: 0, unwell: 0, lost: 0, leaving: 0 }
const fleetRollingBack: FleetView = {
  ...fleet,
  blueprint: { name: 'arena', revision: 1 },
  ships: { Ready: 15, Allocated: 2, Starting: 3, Failed: 1 },
  rollout: {
    ...{ state: 'rolling-back', from: 2, to: 1 },
    ...{ startedAt: '2026-11-02T18:09:12.004Z', since: '2026-11-02T18:09:12.004Z' },
    reason:
      '4 failures of revision 2, and 3 are allowed. The last: Start 2 of 5 failed on fra-07: it ended with code 1',
    ...{ total: 20, due: 0, failures: 0, lastFailure: null, lastFailureAt: null },
    updated: { ...crew, ready: 15, inUse: 2, coming: 3 },
    outdated: crew,
  },
  message: null,
}

const pausedFleet: FleetView = {
  ...fleet,
  ships: { Ready: 18, Allocated: 2 },
  rollout: {
    ...{ state: 'rolling', from: 1, to: 2, reason: 'by lobby-team' },
    ...{ startedAt: '2026-11-02T18:09:12.004Z', since: '2026-11-02T18:09:12.004Z' },
    ...{ total: 20, due: 0, failures: 0, lastFailure: null, lastFailureAt: null },
    paused: { since: '2026-11-02T18:10:03.310Z', by: 'admin', surplus: { replicas: 6, ships: 1 } },
    updated: { ...crew, ready: 7 },
    outdated: { ...crew, ready: 11, inUse: 2 },
  },
  message: 'The rollout is paused since 2026-11-02T18:10:03.310Z, by admin.',
}

const scaledFleet: FleetView = {
  ...fleet,
  replicas: 25,
  autoscale: {
    ...{ policy: { type: 'buffer', size: 5 }, min: 5, max: 50 },
    up: { stabilisationMs: 0, periodMs: 60_000 },
    down: { stabilisationMs: 300_000, periodMs: 60_000 },
  },
  autoscaling: {
    ...{ wanted: 22, why: '17 in use + 5 kept ready = 22; 25 for now: more were wanted within 300 s' },
    at: '2026-11-02T18:20:06.731Z',
  },
}

const host: HostView = {
  id: 'fra-07',
  address: '203.0.113.7',
  capacity: { cpuMillis: 16_000, memoryMiB: 31_744 },
  ports: { from: 7_000, to: 8_000 },
  labels: { region: 'eu' },
  ownLabels: { region: 'eu' },
  overcommit: { cpu: 2 },
  allocatable: { cpuMillis: 32_000, memoryMiB: 31_744 },
  taints: [],
  cordon: null,
  drain: null,
  revision: '4655',
  agentVersion: '0.1.0',
  joinedAt: '2026-10-01T09:12:44.120Z',
  state: 'Online',
  lastReportAt: '2026-11-02T18:04:08.015Z',
  ships: 18,
  sample: {
    ...{ cpuMillis: 1_240, memoryMiB: 2_870, load1: 1.3, degraded: null },
    ...{ diskFreeMiB: 48_128, diskTotalMiB: 102_400 },
    ...{ rxBytesPerSecond: 182_400, txBytesPerSecond: 1_310_720 },
    ...{ clockSkewMs: -4, images: 1, imageNames: ['registry.example/arena:1.5'] },
  },
}

const cordoned: HostView = {
  ...host,
  cordon: { reason: 'new kernel', since: '2026-11-02T18:05:00.000Z', by: 'admin' },
}

const draining: HostView = {
  ...cordoned,
  drain: {
    ...{ since: '2026-11-02T18:05:00.000Z', deadline: '2026-11-02T18:35:00.000Z', by: 'admin' },
    ...{ state: 'Draining', left: 3, inUse: 3 },
    ...{ expectedEnd: '2026-11-02T18:21:00.000Z', unsaid: 1, late: 0 },
  },
}

const token: TokenView = {
  name: 'lobby-team',
  role: 'operator',
  fleets: ['lobby-*'],
  expiresAt: '2027-11-02T18:04:06.000Z',
  rate: null,
  quota: null,
  createdAt: '2026-11-02T18:04:06.000Z',
  oldSecretUntil: null,
}
const makeToken: TokenRequest = {
  ...{ name: 'lobby-team', role: 'operator', fleets: ['lobby-*'], ttlSeconds: 31_536_000 },
}
const { createdAt: _, oldSecretUntil: __, ...caller } = token

const event: ArmadaEvent = {
  id: '4711-0',
  type: 'ship.ready',
  at: '2026-11-02T18:04:07.812Z',
  ship: 'arena-d87jtxqw',
  fleet: 'lobby',
  number: 4,
  attempt: 1,
  state: 'Ready',
  host: 'fra-07',
  reason: null,
}

const cluster = {
  hosts: { online: 12, degraded: 1, silent: 0 },
  ships: { Ready: 214, Allocated: 96, Queued: 2 },
  capacity: { cpuMillis: 208_000, memoryMiB: 412_672 },
  allocatable: { cpuMillis: 416_000, memoryMiB: 412_672 },
  used: { cpuMillis: 155_000, memoryMiB: 79_360 },
  fleets: { count: 9, replicas: 300, ready: 298 },
  queueDepth: 1,
  stormBrake: null,
  leaders: {
    scheduler: {
      ...{ name: 'runner-1-4021', machine: 'runner-1', pid: 4_021, epoch: 8_589_934_721 },
      ...{ since: '2026-11-02T09:00:12.004Z', standbys: 1 },
    },
    controllers: {
      ...{ name: 'runner-2-3977', machine: 'runner-2', pid: 3_977, epoch: 8_589_934_718 },
      ...{ since: '2026-11-02T09:00:11.871Z', standbys: 1 },
    },
  },
  stores: {
    etcd: { ok: true, detail: null, latencyMs: 0.8 },
    redis: { ok: true, detail: null, latencyMs: 0.3 },
    zookeeper: { ok: true, detail: null, latencyMs: 1.4 },
  },
  apiServer: { version: '0.1.0', revision: '4711', staleMs: null },
}

const auditEntry: AuditEntry = {
  id: '8236287553187-k3vx9q0dp7b2-41.0',
  at: '2026-11-02T18:04:06.812Z',
  caller: { role: 'operator', name: 'ci' },
  method: 'PATCH',
  route: '/v1/fleets/:fleet',
  path: '/v1/fleets/lobby',
  subject: 'lobby',
  status: 200,
  code: null,
  requestId: '5f0b7a52-6c1f-4a53-9a5e-0d1c6a3be1f7',
  address: '198.51.100.20',
  count: 1,
}

const putQuota: z.input<typeof Quota> & { fleets: string[] } = {
  fleets: ['lobby', 'lobby-*'],
  ships: 40,
  cpuMillis: 24_000,
}

const quota: FleetQuotaView = {
  name: 'lobbies',
  fleets: ['lobby', 'lobby-*'],
  ships: 40,
  cpuMillis: 24_000,
  memoryMiB: null,
  used: { ships: 20, cpuMillis: 10_000, memoryMiB: 5_120 },
  revision: '4702',
}

const imagePull: ImagePullView = {
  ...{ id: 'pull-x7k2p9w4', image: 'registry.example/arena:1.5', blueprint: { name: 'arena', revision: 3 } },
  ...{ labelSelector: 'region=eu', parallelism: 10, createdBy: 'ci', state: 'Running' },
  createdAt: '2026-11-02T18:04:06.950Z',
  deadline: '2026-11-02T18:34:06.950Z',
  keptUntil: '2026-11-03T18:34:06.950Z',
  hosts: { pending: 21, pulling: 10, pulled: 8, failed: 1 },
}

const hostPull: HostPullView = {
  ...{ host: 'fra-07', state: 'Pulling', percent: 45, totalMiB: 120, reason: null, tookMs: null },
  at: '2026-11-02T18:04:08.015Z',
}

export const examples = {
  allocation,
  allocate,
  ship,
  placement,
  simulation,
  defragmentation,
  queued,
  fleet,
  host,
  cordoned,
  draining,
  cluster,
  token,
  caller,
  auditEntry,
  imagePull,
  hostPull,
  pullImage: { blueprint: 'arena', revision: 3, labelSelector: 'region=eu' },
  quota,
  putQuota,
  event,
  blueprint,
  publish,
  makeShips: { blueprint: 'arena', count: 2, labels: { match: 'final' } },
  makeFleet: { name: 'lobby', blueprint: 'arena', replicas: 20 },
  scaleFleet: { replicas: 25 },
  fleetRollingBack,
  pausedFleet,
  autoscaleFleet: { autoscale: { policy: { type: 'buffer' as const, size: 5 }, min: 5, max: 50 } },
  scaledFleet,
  makeToken,
  tokenMade: { ...token, secret: 'armada-token.lobby-team.pW4h0cV8mQzqgq0rT5o2Zk3sVb7yNwLdE4fJ1xR6uYs' },
  joinToken: { host: 'fra-07', ttlSeconds: 3_600 },
  joinTokenMade: {
    token: 'armada-join-1f0cX8mQzqgq0rT5o2Zk3sVb7yNwLdE4',
    expiresAt: '2026-11-02T19:04:06.000Z',
  },
} as const
