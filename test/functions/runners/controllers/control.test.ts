// The controllers on a real ZooKeeper, with an ApiServer that plays a few ships and one fleet.
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { OpenAPIHono } from '@hono/zod-openapi'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { control } from '../../../../functions/runners/controllers/control.ts'
import { connect } from '../../../../shared/api/client.ts'
import * as drainRoutes from '../../../../shared/api/drains.ts'
import * as fleetRoutes from '../../../../shared/api/fleets.ts'
import type { Decision } from '../../../../shared/api/moves.ts'
import * as routes from '../../../../shared/api/moves.ts'
import { defaultStrategy } from '../../../../shared/model/rollout.ts'
import { reasonOf, until } from '../../../harness/until.ts'
import { hostNamed, quiet, Tree, ZooKeeperServer } from '../tree.ts'

const controllers = suite('controllers on ZooKeeper')
const closing: (() => unknown)[] = []
let server: ZooKeeperServer

/** One fleet, and on every host one ship that is lost after 2 s. */
class Api {
  readonly decisions: Decision[] = []
  readonly notices: (string | null)[] = []
  readonly steps: fleetRoutes.FleetStep[] = []
  readonly aboard = new Set<string>()
  replicas = 0
  queued = 0
  failed = 0
  crashLoop: string | null = null
  revision = 1
  leastEpoch = 0
  asked = 0
  #server: Server | undefined

  async start(): Promise<string> {
    const app = new OpenAPIHono()
    app.openapi(routes.watchlist, (c) =>
      c.json({ withoutTicket: [], unclaimed: [], finished: [], lost: [], aged: [], unwell: [] }, 200),
    )
    app.openapi(routes.decide, (c) => {
      const { decisions } = c.req.valid('json')
      this.decisions.push(...decisions)
      return c.json({ moved: decisions.map(({ ship }) => ship), stale: [] }, 200)
    })
    app.openapi(routes.hostShips, (c) => {
      this.asked++
      const { host } = c.req.valid('param')
      const ship = {
        id: `on-${host}`,
        attempt: 1,
        state: 'Ready' as const,
        host,
        stateSince: new Date().toISOString(),
        policy: 'replace' as const,
        afterMs: 2_000,
      }
      const gone = this.decisions.some((decision) => decision.ship === ship.id)
      return c.json({ lastReportAt: null, ships: this.aboard.has(host) && !gone ? [ship] : [] }, 200)
    })
    app.openapi(routes.crewedHosts, (c) => c.json({ hosts: [...this.aboard] }, 200))
    app.openapi(routes.putNotice, (c) => {
      const { epoch, stormBrake } = c.req.valid('json')
      if (epoch < this.leastEpoch) return problem(409, 'stale_epoch') as never
      this.notices.push(stormBrake)
      return c.json({ ok: true as const }, 200)
    })
    app.openapi(drainRoutes.listDrains, (c) => c.json({ drains: [] }, 200))
    app.openapi(fleetRoutes.listFleets, (c) => c.json({ fleets: [this.#fleet()], nextCursor: null }, 200))
    app.openapi(fleetRoutes.getFleet, (c) => c.json(this.#fleet(), 200))
    app.openapi(fleetRoutes.stepFleet, (c) => {
      const step = c.req.valid('json')
      if (step.epoch < this.leastEpoch) return problem(409, 'stale_epoch') as never
      if (step.revision !== String(this.revision)) return problem(412, 'revision_mismatch') as never
      this.steps.push(step)
      this.revision++
      this.queued += step.create
      if (step.crashLoop !== undefined) this.crashLoop = step.crashLoop
      return c.json(
        { created: Array.from({ length: step.create }, (_, i) => `lobby-${i}`), stopped: [] },
        200,
      )
    })
    this.#server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  #fleet() {
    return {
      name: 'lobby',
      blueprint: { name: 'lobby', revision: 1 },
      replicas: this.replicas,
      labels: {},
      priority: 50,
      deleting: false,
      generation: 0,
      createdAt: new Date().toISOString(),
      revision: String(this.revision),
      strategy: defaultStrategy,
      rollout: null,
      failures: this.failed,
      ...(this.crashLoop !== null && { crashLoop: this.crashLoop }),
      ships: { Queued: this.queued, Failed: this.failed },
      message: null,
    }
  }

  stop(): void {
    this.#server?.closeAllConnections()
    this.#server?.close()
  }
}

function problem(status: number, code: string): Response {
  const body = { type: `urn:armada:${code}`, title: code, status, code, detail: code, requestId: 'test' }
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/problem+json' },
  })
}

async function scene(hosts: number) {
  const { tree } = await Tree.open(server)
  const api = new Api()
  const url = await api.start()
  for (let i = 0; i < hosts; i++) {
    await tree.join(hostNamed(`host-${i}`))
    api.aboard.add(`host-${i}`)
  }
  const stop = new AbortController()
  const settings = { ticketLostMs: 45_000, unclaimedMs: 20_000, forgetMs: 3_600_000 }
  let running: Promise<void> | undefined
  const begin = (epoch = 10) => {
    running = control(
      { zk: tree.zk, client: connect({ url }), settings, log: quiet },
      { epoch, signal: stop.signal },
    )
    return running
  }
  closing.push(async () => {
    stop.abort()
    await running?.catch(() => undefined)
    await tree.zk.close()
    api.stop()
  })
  return { tree, api, begin }
}

controllers.before(async () => {
  server = await ZooKeeperServer.start()
})
controllers.after.each(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})
controllers.after(() => server.stop())

controllers(
  'a fleet is filled in steps of 50, each on a fresh revision; failures make it pause',
  async () => {
    const { api, begin } = await scene(0)
    api.replicas = 120
    void begin()
    await until(() => api.queued === 120)
    assert.equal(
      api.steps.map(({ create, revision }) => [create, revision]),
      [
        [50, '1'],
        [50, '2'],
        [20, '3'],
      ],
    )
    for (let failures = 1; failures <= 2; failures++) {
      api.queued -= 10
      api.failed += 10
      await until(() => api.queued === 120)
    }
    const againMs = performance.now()
    api.queued -= 10
    api.failed += 10
    await until(() => api.queued === 120, 15_000)
    assert.ok(performance.now() - againMs > 3_000, 'the third failure pauses for 4 s')
    assert.match(api.crashLoop ?? '', /revision 1 keep failing/)
  },
)

controllers(
  'the ship of a host that vanished is lost after its time, once; a host that returns keeps it',
  async () => {
    const { tree, api, begin } = await scene(4)
    void begin()
    await until(() => api.notices.length === 1)
    assert.equal(api.notices, [null])
    await tree.leave('host-0')
    await tree.leave('host-1')
    const goneAtMs = performance.now()
    setTimeout(() => void tree.zk.create('/armada/worker/host-1/presence', '', 'ephemeral'), 1_000)
    await until(() => api.decisions.length > 0)
    assert.ok(performance.now() - goneAtMs >= 2_000)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    assert.equal(
      api.decisions.map(({ ship, to }) => [ship, to]),
      [['on-host-0', 'Lost']],
    )
  },
)

controllers(
  'a storm: nothing is lost, it is said, hosts are left in peace; on healing nothing has moved',
  async () => {
    const { tree, api, begin } = await scene(5)
    void begin()
    await until(() => api.notices.length === 1)
    for (let i = 0; i < 3; i++) await tree.leave(`host-${i}`)
    await until(() => api.notices.length === 2)
    assert.match(api.notices[1] as string, '3 of 5 hosts vanished within a minute')
    await new Promise((resolve) => setTimeout(resolve, 3_500))
    assert.is(api.decisions.length, 0)
    for (let i = 0; i < 3; i++) await tree.zk.create(`/armada/worker/host-${i}/presence`, '', 'ephemeral')
    await until(() => api.notices.length === 3)
    assert.is(api.notices[2], null)
    assert.is(api.decisions.length, 0)
  },
)

controllers(
  'hosts long gone with nothing aboard make no storm at an election; those with ships do',
  async () => {
    const { tree, api, begin } = await scene(5)
    for (let i = 0; i < 4; i++) await tree.leave(`host-${i}`)
    for (let i = 0; i < 3; i++) api.aboard.delete(`host-${i}`)
    void begin()
    await until(() => api.decisions.length > 0)
    assert.equal(api.decisions[0]?.ship, 'on-host-3')
    assert.equal(api.notices, [null])
  },
)

controllers('the ship of a host that ZooKeeper knows nothing of is lost after its time', async () => {
  const { api, begin } = await scene(3)
  api.aboard.add('forgotten')
  void begin()
  await until(() => api.decisions.length > 0)
  assert.equal(
    api.decisions.map(({ ship, to }) => [ship, to]),
    [['on-forgotten', 'Lost']],
  )
  assert.equal(api.notices, [null])
})

controllers('a newer epoch ends the leadership', async () => {
  const { api, begin } = await scene(1)
  api.leastEpoch = 11
  api.replicas = 1
  const reason = (await reasonOf(begin(10))) as { code?: string }
  assert.is(reason?.code, 'stale_epoch')
})

controllers.run()
