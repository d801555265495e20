// Two ApiServers over real stores, and what tests of the API do with them again and again.
import assert from 'node:assert/strict'
import { scratchDir } from '../../infra/stack/scratch.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf, type Client, connect, type Session } from '../../shared/api/client.ts'
import { ArmadaError, type ProblemCode } from '../../shared/errors.ts'
import { createLog } from '../../shared/log.ts'
import type { HostDescription } from '../../shared/model/host.ts'
import type { ShipView } from '../../shared/model/ship.ts'
import { type ApiServer, adminToken, runnerToken, startApiServer } from './apiServer.ts'
import { LoadBalancer } from './loadBalancer.ts'

export interface TwoServers {
  stack: Stack
  /** Two names for one door: every request goes to the next of the two servers, whoever sends it. */
  a: ApiServer
  b: ApiServer
  /** The same two, each by its own address. */
  direct: readonly [ApiServer, ApiServer]
  stop(): Promise<void>
}

export interface TwoServersOptions {
  /** Whether `a` and `b` are reached through a load balancer that alternates; else each by its own address. */
  balanced?: boolean
  queueLimit?: number
  proxyHops?: number
}

/** What one client of `a` or `b` has seen, the others see as well: tests are one person with many tokens. */
export async function startTwoServers(options: TwoServersOptions = {}): Promise<TwoServers> {
  const { balanced = true, queueLimit = 2_000, proxyHops = 0 } = options
  const scratch = await scratchDir()
  const stack = await startStack({ dir: scratch.dir, profile: 'fast', log: createLog('test', 'silent') })
  const direct = await Promise.all([1, 2].map(() => startApiServer(stack, { queueLimit, proxyHops })))
  const balancer = await LoadBalancer.start(direct.map(({ url }) => url))
  const session = { revision: 0 }
  const [a, b] = direct.map((api) => (balanced ? behind(balancer.url, api, session) : api))
  return {
    ...{ stack, direct: direct as [ApiServer, ApiServer], a: a as ApiServer, b: b as ApiServer },
    async stop() {
      await balancer.close()
      await Promise.all(direct.map((api) => api.close()))
      await stack.stop()
      await scratch.remove()
    },
  }
}

function behind(url: string, api: ApiServer, session: Session): ApiServer {
  const as = (token: string) => connect({ url, token, session })
  return { ...api, url, admin: as(adminToken), runner: as(runnerToken), as }
}

export function describeHost(id: string, change: Partial<HostDescription> = {}): HostDescription {
  return {
    id,
    address: '127.0.0.1',
    capacity: { cpuMillis: 4_000, memoryMiB: 4_096 },
    ports: { from: 7000, to: 7100 },
    labels: {},
    taints: [],
    agentVersion: 'test',
    ...change,
  }
}

/** @returns a client with the credential of the new host. */
export async function joinHost(
  api: Pick<ApiServer, 'admin' | 'as'>,
  id: string,
  change: Partial<HostDescription> = {},
) {
  const { token } = await answerOf(api.admin.v1.hosts['join-tokens'].$post({ json: { host: id } }))
  const joining = api.as('').v1.monitor.join.$post({ json: { token, host: describeHost(id, change) } })
  const { credential } = await answerOf(joining)
  return { client: api.as(credential), credential }
}

export function publish({ admin }: Pick<ApiServer, 'admin'>, name: string, spec: object = {}) {
  const json = { image: 'game:1', ports: [{ name: 'game', containerPort: 27960 }], ...spec }
  return answerOf(admin.v1.blueprints[':blueprint'].$put({ param: { blueprint: name }, json }))
}

/** Makes ships and has the host claim them; with `ready` it also says that they are. */
export async function boardShips(api: ApiServer, host: Client, count: number, ready = true) {
  const { ships } = await answerOf(
    api.admin.v1.ships.$post({ json: { blueprint: 'arena', count }, header: {} }),
  )
  const attempts = ships.map(({ id }) => ({ ship: id, attempt: 1 }))
  await claim(host, attempts)
  if (ready) await report(host, ...attempts.map((of) => ({ ...of, state: 'Ready' as const })))
  return ships.map(({ id }) => id)
}

export function claim(host: Client, ships: readonly { ship: string; attempt: number }[]) {
  const claims = ships.map((of) => ({ ...of, ports: {} }))
  return answerOf(host.v1.monitor.claims.$post({ json: { claims } }))
}

type Report = Parameters<Client['v1']['monitor']['reports']['$post']>[0]['json']

export function report(host: Client, ...changes: Report['changes']) {
  return answerOf(host.v1.monitor.reports.$post({ json: { changes, holdings: null, host: null, ships: [] } }))
}

export function shipAt({ admin }: ApiServer, ship: string): Promise<ShipView> {
  return answerOf(admin.v1.ships[':ship'].$get({ param: { ship } }))
}

/** Asserts that the request is refused with this code, and a detail that fits. */
export async function refused(request: Promise<unknown>, code: ProblemCode, text?: RegExp): Promise<void> {
  await assert.rejects(request, (error: unknown) => {
    assert.ok(error instanceof ArmadaError, String(error))
    assert.equal(error.code, code, error.message)
    if (text) assert.match(error.message, text)
    return true
  })
}
