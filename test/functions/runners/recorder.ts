// An ApiServer of the tests: the same routes, answers from memory, and everything that was said kept.
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { OpenAPIHono } from '@hono/zod-openapi'
import * as offices from '../../../shared/api/offices.ts'
import type { PlacementReport } from '../../../shared/api/placements.ts'
import * as placements from '../../../shared/api/placements.ts'

export class Recorder {
  readonly reports: (PlacementReport & { atMs: number })[] = []
  /** Ships that the next reports call stale. */
  readonly stale = new Set<string>()
  /** Ships that are not where they were put. */
  readonly gone = new Set<string>()
  /** Ships that no gang need wait for. */
  readonly excused = new Set<string>()
  /** Epochs below it are refused. */
  leastEpoch = 0
  /** Answer 503 so many times. */
  failures = 0
  /** Never answer. */
  hangs = false
  #epoch = 0
  #server: Server | undefined

  async start(): Promise<string> {
    const app = new OpenAPIHono()
    app.openapi(offices.takeOffice, (c) => c.json({ epoch: ++this.#epoch }, 200))
    app.openapi(placements.reportPlacements, async (c) => {
      if (this.hangs) await new Promise(() => undefined)
      const report = c.req.valid('json')
      if (this.failures-- > 0) return problem(503, 'unavailable') as never
      if (report.epoch < this.leastEpoch) return problem(409, 'stale_epoch') as never
      this.leastEpoch = Math.max(this.leastEpoch, report.epoch)
      this.reports.push({ ...report, atMs: performance.now() })
      const named = [...report.placed, ...report.refused].map(({ ship }) => ship)
      const stale = [...named, ...report.waiting].filter((ship) => this.stale.has(ship))
      const gone = report.assumed.map(({ ship }) => ship).filter((ship) => this.gone.has(ship))
      const excused = report.missing.filter((ship) => this.excused.has(ship))
      return c.json({ stale, gone, excused }, 200)
    })
    this.#server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get placed(): PlacementReport['placed'] {
    return this.reports.flatMap((report) => report.placed)
  }

  get refused(): PlacementReport['refused'] {
    return this.reports.flatMap((report) => report.refused)
  }

  async stop(): Promise<void> {
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
