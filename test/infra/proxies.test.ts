// Behind real proxies, set up as infra/examples/ says: streams, addresses, connections, bodies, and a server that dies.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { suite } from 'uvu'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import { answerOf, connect } from '../../shared/api/client.ts'
import { eventStream } from '../../shared/api/eventStream.ts'
import { adminToken } from '../harness/apiServer.ts'
import { type ProxyName, proxiesHere, type RunningProxy, startProxy } from '../harness/proxy.ts'
import { joinHost, publish, startTwoServers, type TwoServers } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('proxies')
let servers: TwoServers
let scratch: Scratch
let programs: [ProxyName, string][]

test.before(async () => {
  programs = await proxiesHere()
  scratch = await scratchDir()
  servers = await startTwoServers({ balanced: false, proxyHops: 1 })
  await publish(servers.a, 'arena')
})
test.after(async () => {
  await servers?.stop()
  await scratch?.remove()
})

interface Shot {
  method?: string
  headers?: Record<string, string>
  body?: string
  agent?: Agent
  /** The client's own address. */
  from?: string
}

/** @returns the status, the body, and whether "100 Continue" came before it. */
async function shoot(
  proxy: RunningProxy,
  path: string,
  { method = 'GET', headers, body, agent, from }: Shot = {},
) {
  const own = { authorization: `Bearer ${adminToken}`, ...headers }
  const shot = request(proxy.url + path, { method, headers: own, agent, localAddress: from })
  let continued = false
  if (headers?.expect) {
    shot.flushHeaders()
    const [answer] = await Promise.race([once(shot, 'continue').then(() => []), once(shot, 'response')])
    if (answer) return { status: (answer as IncomingMessage).statusCode, continued, body: await text(answer) }
    continued = true
  }
  const answered = once(shot, 'response') as Promise<[IncomingMessage]>
  shot.end(body)
  const [response] = await answered
  return { status: response.statusCode, continued, body: await text(response) }
}

async function streamsPass(proxy: RunningProxy): Promise<void> {
  const over = new AbortController()
  const { signal } = over
  const seen: string[] = []
  const url = `${proxy.url}/v1/events?watch=true`
  const reading = (async () => {
    for await (const { event, data } of eventStream({ url, token: adminToken, signal }))
      seen.push(event === 'event' ? JSON.parse(data).type : event)
  })().catch(() => undefined)
  await until(() => seen.includes('bookmark'))
  const json = { name: `seen-by-${proxy.name}`, blueprint: 'arena', replicas: 0 }
  await answerOf(servers.a.admin.v1.fleets.$post({ json }))
  await until(() => seen.includes('fleet.created'))
  over.abort()
  await reading
  const as = (token: string) => connect({ url: proxy.url, token })
  const { credential } = await joinHost({ admin: as(adminToken), as }, `host-of-${proxy.name}`)
  for await (const { event } of eventStream({
    url: `${proxy.url}/v1/monitor/stream`,
    token: credential,
    signal: AbortSignal.timeout(20_000),
  })) {
    assert.equal(event, 'ping')
    break
  }
}

async function addressesAreTrue(proxy: RunningProxy): Promise<void> {
  const headers = { 'content-type': 'application/json', 'x-forwarded-for': '198.51.100.7' }
  const name = `made-by-${proxy.name}`
  const body = JSON.stringify({ name, blueprint: 'arena', replicas: 0 })
  const made = await shoot(proxy, '/v1/fleets', { method: 'POST', headers, body, from: '127.0.0.2' })
  assert.equal(made.status, 201, made.body)
  const { entries } = await answerOf(servers.a.admin.v1.audit.$get({ query: { subject: name } }))
  assert.deepEqual(
    entries.map(({ address }) => address),
    ['127.0.0.2'],
  )
}

async function bodiesPass(proxy: RunningProxy): Promise<void> {
  const as = (token: string) => connect({ url: proxy.url, token })
  const { credential } = await joinHost({ admin: as(adminToken), as }, `loud-${proxy.name}`)
  const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' }
  const report = (bytes: number) => {
    const rest = { changes: [], holdings: null, host: null, ships: [] }
    return `${JSON.stringify(rest)}${' '.repeat(bytes)}`
  }
  const post = (bytes: number, more: Record<string, string> = {}) =>
    shoot(proxy, '/v1/monitor/reports', {
      method: 'POST',
      headers: { ...headers, ...more },
      body: report(bytes),
    })
  assert.equal((await post(1_900_000)).status, 200)
  const large = await post(2_500_000)
  assert.equal(large.status, 413)
  assert.equal(JSON.parse(large.body).code, 'body_too_large')
  const asked = await post(300_000, { expect: '100-continue' })
  assert.deepEqual([asked.status, asked.continued], [200, true])
}

async function connectionsAreKept(proxy: RunningProxy): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let i = 0; i < 100; i++) assert.equal((await shoot(proxy, '/v1/fleets', { agent })).status, 200)
  const sockets = Object.values(agent.freeSockets).flat()
  assert.equal(sockets.length, 1, 'one connection for all of them')
  agent.destroy()
}

test('streams, addresses, bodies and connections pass nginx, and HAProxy where it is installed', async () => {
  for (const [name, program] of programs) {
    const proxy = await startProxy(
      name,
      program,
      servers.direct.map(({ url }) => url),
      scratch.dir,
    )
    try {
      await streamsPass(proxy)
      await addressesAreTrue(proxy)
      await bodiesPass(proxy)
      await connectionsAreKept(proxy)
    } finally {
      await proxy.stop()
    }
  }
})

test('when an ApiServer is gone its proxy goes on with the other', async () => {
  for (const [name, program] of programs) {
    const gone = 'http://127.0.0.1:9'
    const proxy = await startProxy(name, program, [servers.direct[0].url, gone], scratch.dir)
    try {
      for (let i = 0; i < 50; i++) assert.equal((await shoot(proxy, '/v1/fleets')).status, 200)
    } finally {
      await proxy.stop()
    }
  }
})

test.run()
