// etcd frozen, full, or compacted under the watch: lookups go on and say how old they may be, writes are refused cleanly.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { startEtcd } from '../../infra/stack/etcd.ts'
import { scratchDir } from '../../infra/stack/scratch.ts'
import type { Server } from '../../infra/stack/server.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { type ApiServer, adminToken, startApiServer } from '../harness/apiServer.ts'
import { TcpProxy } from '../harness/tcpProxy.ts'
import { publish } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('staleness')
const log = createLog('test', 'silent')
let scratch: Awaited<ReturnType<typeof scratchDir>>
let etcd: Server
let proxy: TcpProxy
let stack: Stack
/** Reaches etcd through the proxy. */
let far: ApiServer
let near: ApiServer

test.before(async () => {
  scratch = await scratchDir()
  etcd = await startEtcd({
    dir: `${scratch.dir}/small`,
    quotaBytes: 16 * 1024 * 1024,
    endWithParent: true,
    log,
  })
  stack = await startStack({ dir: scratch.dir, profile: 'fast', addresses: { etcd: etcd.address }, log })
  proxy = await TcpProxy.start(Number(new URL(etcd.address).port))
  near = await startApiServer(stack)
  far = await startApiServer({ ...stack, etcd: { ...stack.etcd, address: `http://${proxy.address}` } })
  await publish(near, 'arena')
})
test.after(async () => {
  await Promise.all([near?.close(), far?.close()])
  await proxy?.close()
  await stack?.stop()
  await etcd?.stop()
  await scratch?.remove()
})

const authorization = `Bearer ${adminToken}`
const get = (api: ApiServer, path: string) => fetch(api.url + path, { headers: { authorization } })
const staleness = async (api: ApiServer) => (await get(api, '/v1/ships')).headers.get('x-armada-stale')
const create = (api: ApiServer, labels = {}) =>
  fetch(`${api.url}/v1/ships`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ blueprint: 'arena', labels }),
  })
const etcdSays = async (path: string, body: object) => {
  const response = await fetch(etcd.address + path, { method: 'POST', body: JSON.stringify(body) })
  return {
    ok: response.ok,
    body: (await response.json()) as { header?: { revision: string }; alarms?: object[] },
  }
}
const idsAt = async (api: ApiServer) => {
  const { ships } = await answerOf(api.admin.v1.ships.$get({ query: { limit: '1000' } }))
  return ships.map(({ id }) => id)
}

async function assertWriteRefused(api: ApiServer, text: RegExp): Promise<void> {
  const startMs = performance.now()
  const response = await create(api)
  const { code, detail } = (await response.json()) as { code: string; detail: string }
  assert.equal(response.status, 503)
  assert.equal(code, 'unavailable')
  assert.match(detail, text)
  assert.ok(Number(response.headers.get('retry-after')) > 0)
  assert.ok(performance.now() - startMs < 10_000, 'refused within some 2 s, when the machine is not busy')
}

test('a frozen etcd: lookups say for how many seconds they may be old, writes are refused, then all is caught up', async () => {
  assert.equal((await create(near)).status, 201)
  await until(async () => (await staleness(far)) === null)
  etcd.pause()
  try {
    // Nothing breaks the connections, so only its own questions tell the ApiServer.
    await until(async () => (await staleness(far)) !== null, 20_000)
    const first = Number(await staleness(far))
    await until(async () => Number(await staleness(far)) > first, 20_000)
    assert.equal((await idsAt(far)).length, 1)
    await assertWriteRefused(far, /etcd/)
    assert.equal((await get(far, '/v1/ships?consistent=true')).status, 503)
  } finally {
    etcd.resume()
  }
  await until(async () => (await staleness(far)) === null, 30_000)
  assert.equal((await create(near)).status, 201)
  assert.equal((await get(far, '/v1/ships?consistent=true')).status, 200)
  assert.equal((await idsAt(far)).length, 2)
})

test('compacted while the watch was away: all is listed again, deletions too', async () => {
  const [gone] = await idsAt(near)
  proxy.refusing = true
  proxy.cut()
  await until(async () => (await staleness(far)) !== null, 20_000)
  for (let i = 0; i < 5; i++) assert.equal((await create(near, { turn: String(i) })).status, 201)
  await etcdSays('/v3/kv/deleterange', { key: btoa(`/armada/ships/${gone}`) })
  const { body } = await etcdSays('/v3/kv/range', { key: btoa('/armada/none') })
  assert.ok((await etcdSays('/v3/kv/compaction', { revision: body.header?.revision, physical: true })).ok)
  await until(async () => !(await idsAt(near)).includes(gone as string))
  proxy.refusing = false
  await until(async () => (await staleness(far)) === null, 30_000)
  assert.deepEqual(await idsAt(far), await idsAt(near))
  assert.equal((await idsAt(far)).length, 6)
})

test('writes of others into the same etcd do not make lookups stale', async () => {
  await etcdSays('/v3/kv/put', { key: btoa('/other/key'), value: btoa('x') })
  assert.equal((await get(far, '/v1/ships?consistent=true')).status, 200)
  await new Promise((resolve) => setTimeout(resolve, 4_000))
  await until(async () => (await staleness(far)) === null)
})

test('a full etcd: lookups go on, writes are refused with what to do, and that helps', async () => {
  const before = await idsAt(far)
  const value = btoa('x'.repeat(512 * 1024))
  let fills = 0
  while ((await etcdSays('/v3/kv/put', { key: btoa('/other/key'), value })).ok)
    assert.ok(fills++ < 200, 'etcd takes no end of data')
  await assertWriteRefused(far, /alarm disarm/)
  assert.deepEqual(await idsAt(far), before)
  assert.equal((await get(far, '/v1/ships?consistent=true')).status, 200)
  const { body } = await etcdSays('/v3/kv/deleterange', { key: btoa('/other/key') })
  await etcdSays('/v3/kv/compaction', { revision: body.header?.revision, physical: true })
  await etcdSays('/v3/maintenance/defragment', {})
  const { alarms } = (await etcdSays('/v3/maintenance/alarm', { action: 'GET' })).body
  for (const alarm of alarms ?? [])
    await etcdSays('/v3/maintenance/alarm', { ...alarm, action: 'DEACTIVATE' })
  await until(async () => (await create(far)).status === 201, 20_000)
  assert.equal((await idsAt(far)).length, before.length + 1)
})

test.run()
