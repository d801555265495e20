// The API's document: its examples fit its schemas, its page needs nothing but itself.
import assert from 'node:assert/strict'
import type { RouteConfig } from '@hono/zod-openapi'
import { Hono } from 'hono'
import { suite } from 'uvu'
import type { ZodType } from 'zod'
import type { Document } from '../../functions/docs/document.ts'
import { docsService } from '../../functions/services/docs.ts'
import { serviceApp } from '../../functions/services/serviceApp.ts'
import * as agonesAllocation from '../../shared/api/agonesAllocation.ts'
import * as allocations from '../../shared/api/allocations.ts'
import * as audit from '../../shared/api/audit.ts'
import * as blueprints from '../../shared/api/blueprints.ts'
import * as cluster from '../../shared/api/cluster.ts'
import * as events from '../../shared/api/events.ts'
import * as fleets from '../../shared/api/fleets.ts'
import * as hosts from '../../shared/api/hosts.ts'
import * as logs from '../../shared/api/logs.ts'
import * as monitor from '../../shared/api/monitor.ts'
import * as placements from '../../shared/api/placements.ts'
import * as quotas from '../../shared/api/quotas.ts'
import type { Role } from '../../shared/api/route.ts'
import * as ships from '../../shared/api/ships.ts'
import * as simulations from '../../shared/api/simulations.ts'
import * as webhooks from '../../shared/api/webhooks.ts'

type Route = RouteConfig & { 'x-roles': readonly Role[] }
interface Media {
  schema: ZodType
  example?: unknown
}

const test = suite('docs')
const modules = [
  ...[
    agonesAllocation,
    allocations,
    audit,
    blueprints,
    cluster,
    events,
    fleets,
    hosts,
    logs,
    monitor,
    placements,
    quotas,
    ships,
    simulations,
    webhooks,
  ],
]
const routes = modules.flatMap((module) =>
  Object.values(module as object).filter((one): one is Route => typeof one?.getRoutingPath === 'function'),
)
const forPeople = routes.filter((route) =>
  route['x-roles'].some((role) => ['admin', 'operator'].includes(role)),
)

/** The JSON that a route takes and gives, by where it stands. */
function mediaOf({ method, path, request, responses }: Route): [string, Media][] {
  const contents = [
    ['body', request?.body?.content],
    ...Object.entries(responses).map(([status, one]) => [status, 'content' in one ? one.content : undefined]),
  ]
  return contents.flatMap(([where, content]) => {
    const media = (content as Record<string, Media> | undefined)?.['application/json']
    return media ? [[`${method} ${path} ${where}`, media] as [string, Media]] : []
  })
}

const app = new Hono()
app.route(
  '/',
  docsService(() => {
    const all = serviceApp()
    for (const route of routes) all.openAPIRegistry.registerPath(route)
    const info = { title: 'Armada', version: 'test', description: 'of the test' }
    return all.getOpenAPI31Document({ openapi: '3.1.0', info }) as unknown as Document
  }),
)

test('every route for people has an example of what it takes and gives', () => {
  assert.ok(forPeople.length >= 15)
  for (const [where, { example }] of forPeople.flatMap(mediaOf)) assert.ok(example !== undefined, where)
})

test('every example fits its schema', () => {
  for (const [where, { schema, example }] of routes.flatMap(mediaOf)) {
    if (example === undefined) continue
    const { error } = schema.safeParse(example)
    assert.equal(error?.message, undefined, where)
  }
})

test('the page shows every route and every schema, and every link on it leads somewhere', async () => {
  const document = (await (await app.request('/openapi.json')).json()) as Document
  const page = await (await app.request('/docs')).text()
  assert.equal([...page.matchAll(/<article id="(get|post|put|patch|delete)-/g)].length, routes.length)
  for (const name of Object.keys(document.components?.schemas ?? {}))
    assert.ok(page.includes(`id="schema-${name}"`), name)
  const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map((match) => match[1])
  assert.equal(ids.length, new Set(ids).size)
  for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) assert.ok(ids.includes(target), target)
})

test('the page fetches nothing and runs nothing', async () => {
  const answer = await app.request('/docs')
  assert.match(answer.headers.get('content-security-policy') ?? '', /^default-src 'none'/)
  const page = await answer.text()
  assert.doesNotMatch(page, /<script|<link|<img|@import|url\(/i)
  // Examples may show addresses, as text.
  assert.doesNotMatch(page.replaceAll(/<pre><code>[^<]*<\/code><\/pre>/g, ''), /https?:\/\//i)
  const shown = routes.length + [...page.matchAll(/\sid="schema-/g)].length
  assert.ok(page.length < 4_000 * shown, `${page.length} characters for ${shown} routes and schemas`)
})

test.run()
