// A stand-in for the MonitorService, on the same route declarations: it keeps a little table of ships, plays the
// cluster's part towards agents, and remembers all it was told.
import { serve } from '@hono/node-server'
import { OpenAPIHono } from '@hono/zod-openapi'
import { streamSSE } from 'hono/streaming'
import type { z } from 'zod'
import * as routes from '../../shared/api/monitor.ts'
import { handOver } from '../../shared/api/secrets.ts'
import { type ProblemCode, problems } from '../../shared/errors.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Grant } from '../../shared/model/grant.ts'
import type { Holding } from '../../shared/model/holding.ts'
import type { HostDescription, HostSample } from '../../shared/model/host.ts'
import type { PullEnd, PullOrder } from '../../shared/model/imagePull.ts'
import { assignPorts, type PortChoice } from '../../shared/model/port.ts'
import type { ShipSample } from '../../shared/model/ship.ts'
import type { ShipState } from '../../shared/model/shipState.ts'
import { until } from '../harness/until.ts'

export interface FakeShip {
  host: string
  attempt: number
  state: ShipState
  spec: BlueprintSpec
  ports: PortChoice
  /** Of a numbered ship. */
  name?: string
  keeper?: string
  /** Number of the last change of its limits. */
  resize?: number
}

interface Heard {
  host: string
  atMs: number
  report: routes.ShipReport
}

export interface FakeMonitor {
  url: string
  ships: Map<string, FakeShip>
  hellos: {
    host: HostDescription
    ships: { ship: string; attempt: number }[]
    /** That the answer had to show. */
    leastRevision: string | undefined
    atMs: number
  }[]
  changes: Heard[]
  holdings: Map<string, Holding[]>
  /** Ships that agents said have left. */
  left: { host: string; ship: string; attempt: number }[]
  samples: { host: string; sample: HostSample; ships: ShipSample[] }[]
  claims: { host: string; ship: string; attempt: number }[]
  /** What each host is told to pull, until it has said what became of it. */
  orders: Map<string, PullOrder[]>
  pulls: (PullEnd & { host: string })[]
  /** What became of changes of limits. */
  resized: routes.ShipResized[]
  neededImages: Set<string>
  /** Name -> value. */
  secrets: Map<string, string>
  /** Answers nothing but 503 while true. */
  away: boolean
  /** Hellos are heard and have no answer while true. */
  mute: boolean
  /** Refuses a report for its changes, its size, or what it measures. */
  refuse: (
    changes: readonly routes.ShipReport[],
    bytes: number,
    sample: HostSample | null,
  ) => ProblemCode | undefined
  /** Makes a ship that was placed on the host. */
  place(host: string, id: string, spec: z.input<typeof BlueprintSpec>, ports?: PortChoice): FakeShip
  resync(revision?: number): void
  /** Waits for a report of the ship that fits; returns it. */
  heard(ship: string, state: routes.ShipReport['state'], limitMs?: number): Promise<routes.ShipReport>
  close(): Promise<void>
}

export async function startFakeMonitor(): Promise<FakeMonitor> {
  const streams = new Set<(data: string) => void>()
  const app = new OpenAPIHono()
  const monitor: Omit<FakeMonitor, 'url' | 'close'> = {
    ships: new Map(),
    hellos: [],
    changes: [],
    holdings: new Map(),
    left: [],
    samples: [],
    claims: [],
    orders: new Map(),
    pulls: [],
    resized: [],
    neededImages: new Set(),
    secrets: new Map(),
    away: false,
    mute: false,
    refuse: () => undefined,
    place: (host, id, spec, ports = {}) => {
      const ship: FakeShip = { host, attempt: 1, state: 'Scheduled', spec: BlueprintSpec.parse(spec), ports }
      monitor.ships.set(id, ship)
      return ship
    },
    resync: (revision) => {
      for (const ring of streams) ring(revision === undefined ? '' : String(revision))
    },
    heard: async (ship, state, limitMs = 15_000) => {
      const find = () => monitor.changes.find(({ report }) => report.ship === ship && report.state === state)
      await until(() => find() !== undefined, limitMs).catch(() => {
        const told = monitor.changes.filter(({ report }) => report.ship === ship).map(({ report }) => report)
        throw new Error(`${ship} was not reported ${state}; reported was ${JSON.stringify(told)}`)
      })
      return find()?.report as routes.ShipReport
    },
  }
  const me = (authorization: string | undefined): string =>
    authorization?.replace('Bearer credential-of-', '') ?? ''
  const grant = ([id, ship]: [string, FakeShip]): Grant => ({
    ship: id,
    attempt: ship.attempt,
    state: ship.state,
    fleet: null,
    ...(ship.name !== undefined && { name: ship.name, keeper: ship.keeper ?? id }),
    ...(ship.resize !== undefined && { resize: ship.resize }),
    labels: {},
    blueprint: { name: 'test', revision: 1 },
    spec: ship.spec,
    ports: assignPorts(ship.spec.ports, ship.ports),
  })
  const isHere = (host: string, of: { ship: string; attempt: number }): boolean => {
    const ship = monitor.ships.get(of.ship)
    return (
      ship?.host === host &&
      ship.attempt === of.attempt &&
      !['Stopped', 'Failed', 'Queued'].includes(ship.state)
    )
  }

  app.use(async (c, next) => {
    if (monitor.away) return c.json({ code: 'unavailable', detail: 'away' }, 503)
    return next()
  })
  app.openapi(routes.join, (c) => {
    const { token, host } = c.req.valid('json')
    if (token !== `token-of-${host.id}`)
      return c.json({ code: 'forbidden', detail: 'wrong token' }, 403) as never
    return c.json({ credential: `credential-of-${host.id}` }, 201)
  })
  app.openapi(routes.hello, async (c) => {
    const host = me(c.req.header('authorization'))
    const hello = c.req.valid('json')
    const leastRevision = c.req.header('x-armada-min-revision')
    monitor.hellos.push({ ...hello, leastRevision, atMs: performance.now() })
    await until(() => !monitor.mute || c.req.raw.signal.aborted, 60_000)
    const mine = [...monitor.ships].filter(([id, ship]) => isHere(host, { ship: id, attempt: ship.attempt }))
    const wanted = mine.filter(([, ship]) => ship.state !== 'Scheduled').map(grant)
    return c.json({ wanted, strays: hello.ships.filter((of) => !isHere(host, of)) }, 200)
  })
  app.openapi(routes.claim, (c) => {
    const host = me(c.req.header('authorization'))
    const granted: Grant[] = []
    const refused: { ship: string; attempt: number; reason: string }[] = []
    for (const { ship: id, attempt } of c.req.valid('json').claims) {
      monitor.claims.push({ host, ship: id, attempt })
      const ship = monitor.ships.get(id)
      if (!ship || !isHere(host, { ship: id, attempt }) || ship.state === 'Stopping') {
        refused.push({ ship: id, attempt, reason: 'not yours' })
        continue
      }
      if (ship.state === 'Scheduled') ship.state = 'Starting'
      granted.push(grant([id, ship]))
    }
    return c.json({ granted, refused }, 200)
  })
  app.openapi(routes.report, (c) => {
    const host = me(c.req.header('authorization'))
    const { changes, holdings, left, host: sample, ships, pulls, resized } = c.req.valid('json')
    const code = monitor.refuse(changes, Number(c.req.header('content-length') ?? 0), sample)
    if (code) return c.json({ code, detail: 'refused' }, problems[code].status) as never
    const stale: { ship: string; attempt: number }[] = []
    for (const report of changes) {
      monitor.changes.push({ host, atMs: performance.now(), report })
      const ship = monitor.ships.get(report.ship)
      if (!ship || !isHere(host, report)) stale.push({ ship: report.ship, attempt: report.attempt })
      else ship.state = report.state === 'Returned' ? 'Queued' : report.state
    }
    if (holdings) monitor.holdings.set(host, holdings)
    monitor.resized.push(...resized)
    for (const of of left) monitor.left.push({ host, ...of })
    if (sample) monitor.samples.push({ host, sample, ships })
    for (const end of pulls ?? []) monitor.pulls.push({ host, ...end })
    const ended = new Set(monitor.pulls.map((end) => end.pull))
    const orders = (monitor.orders.get(host) ?? []).filter((order) => !ended.has(order.pull))
    return c.json({ stale, resendHoldings: false, resendPulls: false, pulls: orders }, 200)
  })
  app.openapi(handOver, (c) => {
    const { ship } = c.req.valid('param')
    const names = monitor.ships.get(ship)?.spec.secrets.map(({ name }) => name) ?? []
    const missing = names.find((name) => !monitor.secrets.has(name))
    if (missing)
      return c.json({ code: 'not_found', detail: `There is no secret "${missing}".` }, 404) as never
    return c.json(
      { values: Object.fromEntries(names.map((name) => [name, monitor.secrets.get(name) ?? ''])) },
      200,
    )
  })
  app.openapi(routes.leftovers, (c) => {
    const keepers = new Set([...monitor.ships.values()].map(({ keeper }) => keeper))
    const isOver = (id: string) => ['Stopped', 'Failed'].includes(monitor.ships.get(id)?.state ?? 'Stopped')
    const over = c.req.valid('json').ships.filter((keeper) => !keepers.has(keeper) && isOver(keeper))
    return c.json({ over }, 200)
  })
  app.openapi(routes.images, (c) => {
    const needed = c.req.valid('json').images.filter((image) => monitor.neededImages.has(image))
    return c.json({ needed }, 200)
  })
  app.openapi(
    routes.stream,
    (c) =>
      streamSSE(c, async (stream) => {
        const ring = (data: string) => void stream.writeSSE({ event: 'resync', data })
        streams.add(ring)
        stream.onAbort(() => {
          streams.delete(ring)
        })
        while (!stream.aborted && !monitor.away) {
          await stream.writeSSE({ event: 'ping', data: '' })
          await stream.sleep(500)
        }
      }) as never,
  )

  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  await until(() => server.address() !== null)
  const { port } = server.address() as { port: number }
  return Object.assign(monitor, {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
    },
  })
}
