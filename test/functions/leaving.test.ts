// An ApiServer that is told to stop: readiness first, then no newcomers, and nobody who was being served is cut off.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf, connect } from '../../shared/api/client.ts'
import { eventStream } from '../../shared/api/eventStream.ts'
import { createLog } from '../../shared/log.ts'
import { ApiProcess } from '../harness/apiProcess.ts'
import { adminToken } from '../harness/apiServer.ts'
import { RawHttp } from '../harness/rawHttp.ts'
import { describeHost } from '../harness/twoServers.ts'
import { reasonOf, until } from '../harness/until.ts'

const test = suite('leaving')
let scratch: Scratch
let stack: Stack
const running = new Set<ApiProcess>()

test.before(async () => {
  scratch = await scratchDir()
  stack = await startStack({ dir: scratch.dir, profile: 'fast', log: createLog('test', 'silent') })
})

test.after(async () => {
  for (const api of running) await api.kill()
  await stack.stop()
  await scratch.remove()
})

async function start(settings: Parameters<typeof ApiProcess.start>[1]): Promise<ApiProcess> {
  const api = await ApiProcess.start(stack, settings)
  running.add(api)
  const { v1 } = connect({ url: api.url, token: adminToken })
  await answerOf(
    v1.blueprints[':blueprint'].$put({ param: { blueprint: 'arena' }, json: { image: 'game:1' } }),
  )
  return api
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${adminToken}\r\n\r\n`

test('200 requests under way on kept connections are all answered, and the process ends well', async () => {
  const api = await start({ drainMs: 20_000 })
  const body = '{"blueprint":"arena"}'
  const headers = `Authorization: Bearer ${adminToken}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`
  const connections = await Promise.all(Array.from({ length: 200 }, () => RawHttp.open(api.port)))
  // Each has been used before, and is in the middle of its second request.
  await Promise.all(
    connections.map(async (connection) => {
      await connection.send(get('/healthz'))
      assert.equal((await connection.answer())?.status, 200)
      await connection.send(`POST /v1/ships HTTP/1.1\r\nHost: a\r\n${headers}\r\n\r\n${body.slice(0, 5)}`)
    }),
  )
  const idle = await RawHttp.open(api.port)
  await idle.send(get('/healthz'))
  await idle.answer()
  await delay(500)
  api.signal('SIGTERM')
  await until(() => idle.closed, 10_000)
  await until(async () => {
    const newcomer = await RawHttp.open(api.port).catch((error: NodeJS.ErrnoException) => error.code)
    if (newcomer instanceof RawHttp) newcomer.close()
    return newcomer === 'ECONNREFUSED'
  })
  const answers = await Promise.all(
    connections.map(async (connection) => {
      await connection.send(body.slice(5))
      return connection.answer(20_000)
    }),
  )
  assert.deepEqual(new Set(answers.map((answer) => answer?.status)), new Set([201]))
  assert.deepEqual(new Set(answers.map((answer) => answer?.headers.get('connection'))), new Set(['close']))
  await until(() => connections.every((connection) => connection.closed), 10_000)
  assert.equal(await api.exited(), 0)
  for (const connection of [...connections, idle]) connection.close()
})

test('behind a load balancer: not ready first, and no request fails that came by then', async () => {
  const api = await start({ leaveMs: 4_000, drainMs: 20_000 })
  const failures: string[] = []
  let count = 0
  let over = false
  // As load balancers do it: kept connections, new ones where the server closes them.
  const clients = Array.from({ length: 20 }, async () => {
    let connection = await RawHttp.open(api.port)
    while (!over) {
      await connection.send(get('/v1/ships?limit=1'))
      const answer = await connection.answer(20_000)
      if (answer?.status !== 200) failures.push(`${answer?.status}`)
      count++
      if (answer?.headers.get('connection') === 'close') {
        connection.close()
        connection = await RawHttp.open(api.port)
      }
      await delay(5)
    }
    connection.close()
  })
  await until(() => count > 200, 30_000)
  const ready = async () => {
    const connection = await RawHttp.open(api.port)
    await connection.send(get('/readyz'))
    const answer = await connection.answer()
    connection.close()
    return answer
  }
  assert.equal((await ready())?.status, 200)
  api.signal('SIGTERM')
  let leaving = await ready()
  for (let i = 0; i < 20 && leaving?.status !== 503; i++) leaving = await ready()
  assert.equal(leaving?.status, 503)
  assert.equal(JSON.parse(leaving?.text ?? '').stopping, true)
  assert.ok(Number(leaving?.headers.get('retry-after')) > 0)
  // It has been told, and sends no more.
  over = true
  await Promise.all(clients)
  assert.deepEqual(failures, [])
  assert.equal(await api.exited(), 0)
})

test('the streams of agents end cleanly, and a request that never ends does not hold it for ever', async () => {
  const api = await start({ drainMs: 1_000 })
  const { v1 } = connect({ url: api.url, token: adminToken })
  const { token } = await answerOf(v1.hosts['join-tokens'].$post({ json: { host: 'streaming' } }))
  const joined = connect({ url: api.url }).v1.monitor.join.$post({
    json: { token, host: describeHost('streaming') },
  })
  const { credential } = await answerOf(joined)
  const url = `${api.url}/v1/monitor/stream`
  const events: string[] = []
  const stream = (async () => {
    for await (const { event } of eventStream({
      url,
      token: credential,
      signal: new AbortController().signal,
    }))
      events.push(event)
  })()
  await until(() => events.length > 0, 20_000)
  const head = await fetch(url, { headers: { authorization: `Bearer ${credential}` } })
  assert.equal(head.headers.get('x-accel-buffering'), 'no')
  assert.equal(head.headers.get('cache-control'), 'no-store')
  await head.body?.cancel()
  const endless = await RawHttp.open(api.port)
  await endless.send(
    get('/v1/ships').replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\n').replace('GET', 'POST'),
  )
  await delay(200)
  api.signal('SIGTERM')
  await stream
  assert.equal(await api.exited(), 0)
  endless.close()
})

test('a port that is taken ends it at once, with a reason', async () => {
  const api = await start({})
  const second = await reasonOf(ApiProcess.start(stack, { listenPort: api.port }))
  assert.match(String(second), /EADDRINUSE/)
  api.signal('SIGINT')
  assert.equal(await api.exited(), 0)
})

test.run()
