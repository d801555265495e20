// What others write into the stores, or a newer ApiServer: it is passed over, and everything else is shown.
import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import { suite } from 'uvu'
import { connectEtcd } from '../../../functions/stores/etcd/etcd.ts'
import { etcdKeys, redisKeys } from '../../../functions/stores/keys.ts'
import { answerOf } from '../../../shared/api/client.ts'
import { startApiServer } from '../../harness/apiServer.ts'
import { publish, startTwoServers, type TwoServers } from '../../harness/twoServers.ts'
import { until } from '../../harness/until.ts'

const test = suite('garbage in the stores')
let two: TwoServers

test.before(async () => {
  two = await startTwoServers({ balanced: false })
  await publish(two.a, 'arena', {})
})

test.after(async () => {
  await two?.stop()
})

const start = async () =>
  (await answerOf(two.a.admin.v1.ships.$post({ json: { blueprint: 'arena', count: 1 }, header: {} })))
    .ships[0]?.id as string

const shown = async (of: Pick<TwoServers['a'], 'admin'>) =>
  (await answerOf(of.admin.v1.ships.$get({ query: {} }))).ships.map(({ id }) => id).sort()

test('records in etcd that cannot be read: lookups and changes go on, and a new ApiServer starts', async () => {
  const known = await start()
  const kv = connectEtcd(two.stack.etcd.address)
  const { ships, hosts, fleets, tokens, quotas, waiters } = etcdKeys
  for (const prefix of [ships, hosts, fleets, tokens, quotas, waiters])
    await kv.commit([], [{ put: `${prefix}broken`, value: 'oops' }])
  // Read, but nothing that those who follow it can do with.
  await kv.commit([], [{ put: `${waiters}other`, value: '{}' }])
  await kv.commit([], [{ put: ships + known, value: 'oops' }])
  const ids = [known, await start()].sort()
  for (const api of [two.a, two.b]) {
    await until(async () => (await shown(api)).length === 2)
    assert.deepEqual(await shown(api), ids)
  }
  const fresh = await startApiServer(two.stack)
  assert.deepEqual(
    await shown(fresh),
    ids.filter((id) => id !== known),
  )
  await fresh.close()
  kv.close()
})

test('messages in Redis that cannot be read are passed over', async () => {
  const redis = new Redis(two.stack.redis.address)
  const channels = [redisKeys.reports, redisKeys.questionRing, redisKeys.sessionCalls, redisKeys.reply('x')]
  for (const channel of channels)
    for (const text of ['{', 'null', '[]', '{}', '["x",{}]', 'host {', 'host null'])
      await redis.publish(channel, text)
  redis.disconnect()
  const known = await start()
  for (const api of [two.a, two.b]) await until(async () => (await shown(api)).includes(known))
})

test.run()
