// One request, one line: who asked for what, how it went, and the trace it belongs to.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Hono } from 'hono'
import { suite } from 'uvu'
import { authenticate, type Env } from '../../functions/middleware/authenticate.ts'
import { Callers } from '../../functions/middleware/callers.ts'
import { forward } from '../../functions/middleware/forward.ts'
import { identify, tellTraces } from '../../functions/middleware/request.ts'
import type { Log } from '../../shared/log.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import { decodeJobs, encodeJobs, type Job } from '../../shared/model/job.ts'
import { decodeTickets, demandOf, encodeTickets, type Ticket } from '../../shared/model/ticket.ts'
import { newTrace, readTrace, traceHeaders, traceparentOf } from '../../shared/trace.ts'

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
  app.use(authenticate(new Callers({ adminToken, runnerToken: 'x'.repeat(16), identities: nobody })))
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

test('a batch of tickets or jobs has each trace once, and one more at most 45 bytes a ship', () => {
  const demand = demandOf(
    BlueprintSpec.parse({ image: 'i', resources: { cpuMillis: 10, memoryMiB: 16 } }),
    'lobby',
  )
  const tickets = Array.from({ length: 1_000 }, (_, i): Ticket => {
    return { ship: `lobby-${i}`, attempt: 1, priority: 0, demand, avoidHosts: [], notBeforeMs: 0 }
  })
  const { fleet, resources } = demand
  const jobs = tickets.map(({ ship }): Job => {
    return { kind: 'start', ship, attempt: 1, ports: { game: 7000 }, fleet, resources }
  })
  const stops = tickets.map(({ ship }): Job => ({ kind: 'stop', ship, attempt: 1, atMs: 1_700_000_000_000 }))
  const check = <T extends object>(
    rows: T[],
    encode: (rows: T[]) => Buffer,
    decode: (data: Buffer) => T[],
  ) => {
    const plain = encode(rows)
    assert.deepEqual(decode(plain), rows)
    const alike = rows.map((row) => ({ ...row, traceId: id }))
    assert.deepEqual(decode(encode(alike)), alike)
    assert.ok(encode(alike).length - plain.length <= 3 * rows.length + 50)
    const apart = rows.map((row) => ({ ...row, traceId: newTrace().id }))
    assert.deepEqual(decode(encode(apart)), apart)
    assert.ok(encode(apart).length - plain.length <= 45 * rows.length)
  }
  check(tickets, encodeTickets, decodeTickets)
  check([...jobs, ...stops], encodeJobs, decodeJobs)
})

test('a call about one trace belongs to it; the line of one about several has them all', async () => {
  const [one, other] = [newTrace().id, newTrace().id]
  assert.equal(readTrace(traceHeaders([{ traceId: one }, { traceId: one }]).traceparent)?.id, one)
  for (const batch of [[], [{}], [{ traceId: one }, {}], [{ traceId: one }, { traceId: other }]])
    assert.deepEqual(traceHeaders(batch), {})
  const { app, lines } = appWithLog()
  app.post('/v1/batch', (c) => {
    tellTraces(c, [{ traceId: one }, {}, { traceId: other }, { traceId: one }])
    return c.text('ok')
  })
  await app.request('/v1/batch', { method: 'POST', headers: { traceparent } })
  assert.deepEqual([lines[0]?.traceId, lines[0]?.traceIds], [id, [one, other]])
})

test.run()
