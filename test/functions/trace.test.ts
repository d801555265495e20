// One request, one line: who asked for what, how it went, and the trace it belongs to.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Hono } from 'hono'
import { suite } from 'uvu'
import { authenticate, type Env } from '../../functions/middleware/authenticate.ts'
import { forward } from '../../functions/middleware/forward.ts'
import { identify } from '../../functions/middleware/request.ts'
import type { Log } from '../../shared/log.ts'
import { newTrace, readTrace, traceparentOf } from '../../shared/trace.ts'

const test = suite('trace')
const adminToken = 'test-admin-token-0123456789'
const id = '4bf92f3577b34da6a3ce929d0e0e4736'
const traceparent = `00-${id}-00f067aa0ba902b7-01`

interface Line {
  level: string
  [field: string]: unknown
}

function appWithLog(reads: 'info' | 'debug' = 'info') {
  const lines: Line[] = []
  const at = (level: string) => (fields: object) => void lines.push({ level, ...fields })
  const log: Log = {
    ...{ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    child: () => log,
  }
  const nobody = { tokenOf: async () => undefined, hostOf: async () => undefined }
  const app = new Hono<Env>()
  app.use(identify(log, { reads }))
  app.use(authenticate({ adminToken, runnerToken: 'x'.repeat(16), identities: nobody }))
  app.get('/v1/ships/:ship', (c) => c.text('ship'))
  app.post('/v1/ships', (c) => c.text('made'))
  app.get('/healthz', (c) => c.text('ok'))
  return { app, lines, log }
}

test('a line has the route, the caller, the request id and the trace id', async () => {
  const { app, lines } = appWithLog()
  const headers = { authorization: `Bearer ${adminToken}`, 'x-request-id': 'mine', traceparent }
  const answer = await app.request('/v1/ships/a', { headers })
  assert.equal(answer.headers.get('x-request-id'), 'mine')
  assert.ok(Number(lines[0]?.ms) >= 0)
  delete lines[0]?.ms
  assert.deepEqual(lines, [
    {
      ...{ level: 'info', requestId: 'mine', traceId: id, role: 'admin', caller: 'admin' },
      ...{ method: 'GET', route: '/v1/ships/:ship', path: '/v1/ships/a', status: 200 },
    },
  ])
})

test('health is quiet, nobody has no name, and a long path is cut', async () => {
  const { app, lines } = appWithLog()
  await app.request('/healthz')
  await app.request(`/nowhere/${'x'.repeat(5_000)}`)
  assert.deepEqual(
    lines.map(({ level, route, caller }) => [level, route, caller]),
    [
      ['debug', '/healthz', undefined],
      ['info', 'none', undefined],
    ],
  )
  assert.equal(String(lines[1]?.path).length, 200)
})

test('reads can be left out of the log', async () => {
  const { app, lines } = appWithLog('debug')
  await app.request('/v1/ships/a')
  await app.request('/v1/ships', { method: 'POST' })
  assert.deepEqual(
    lines.map(({ level, method }) => [level, method]),
    [
      ['debug', 'GET'],
      ['info', 'POST'],
    ],
  )
})

test('a malformed traceparent is as none', () => {
  for (const bad of [
    undefined,
    '',
    'x',
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${id}-${'0'.repeat(16)}-01`,
    `ff-${id}-00f067aa0ba902b7-01`,
    `00-${id.toUpperCase()}-00f067aa0ba902b7-01`,
    `${traceparent}junk`,
  ])
    assert.equal(readTrace(bad), undefined, bad)
  assert.deepEqual(readTrace(traceparent), { id, flags: '01' })
  assert.deepEqual(readTrace(`01-${id}-00f067aa0ba902b7-01-later`), { id, flags: '01' })
  const made = newTrace()
  assert.deepEqual(readTrace(traceparentOf(made)), made)
})

test('what is forwarded stays in the trace, as a request of its own', async () => {
  const { app, log } = appWithLog()
  const passed: (string | undefined)[] = []
  const server = createServer((request, response) => {
    passed.push(request.headers.traceparent as string | undefined)
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    app.all('*', forward({ api: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, log }))
    await app.request('/v1/fleets', { headers: { traceparent } })
    await app.request('/v1/fleets')
  } finally {
    server.close()
    server.closeAllConnections()
  }
  assert.equal(readTrace(passed[0])?.id, id)
  assert.notEqual(passed[0], traceparent)
  assert.ok(readTrace(passed[1]))
})

test.run()
