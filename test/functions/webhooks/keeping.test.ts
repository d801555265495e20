// What is kept of webhooks: their secrets, cursors and dead letters, over two ApiServers and several leaders.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import { answerOf } from '../../../shared/api/client.ts'
import type { DeadLetter } from '../../../shared/model/webhook.ts'
import { newWebhookSecret } from '../../../shared/webhookSignature.ts'
import { Hooks, isSignedBy, until } from '../../harness/hooks.ts'
import { refused } from '../../harness/twoServers.ts'

const test = suite('webhooks: keeping')

let hooks: Hooks
test.before(async () => {
  hooks = await Hooks.start()
})
test.after(() => hooks?.stop())

test('a new secret: both count until the overlap ends, then only the new one', async () => {
  const to = await hooks.receiver()
  const hook = await hooks.create(to, { secret: newWebhookSecret() })
  const route = hooks.servers.a.admin.v1.webhooks[':webhook']['rotate-secret']
  const rotate = (overlapSeconds: number) =>
    answerOf(route.$post({ param: hook.param, json: { overlapSeconds } }))
  const verifies = (secret: string, i: number) => {
    const { body = '', headers = {} } = to.received.at(i) ?? {}
    return isSignedBy(secret, body, headers)
  }
  const second = await rotate(3_600)
  assert.ok(second.secretsOverlapUntil)
  await refused(rotate(3_600), 'conflict', /overlap until/)
  const signedBy = (...secrets: string[]) =>
    until(async () => {
      const count = to.received.length
      await hooks.happenings.happen('rotated')
      await until(() => to.received.length > count)
      return secrets.every((secret) => verifies(secret, -1))
    })
  await signedBy(hook.secret, second.secret)
  const third = await rotate(0)
  assert.equal(third.secretsOverlapUntil, null)
  await signedBy(third.secret)
  assert.ok(!verifies(second.secret, -1) && !verifies(hook.secret, -1))
})

test('events that are no longer kept are told of as a gap, and counted', async () => {
  const to = await hooks.receiver()
  const hook = await hooks.create(to)
  await hooks.happenings.happen('kept')
  await until(() => to.received.length === 1)
  await hooks.leader.stop()
  await hooks.happenings.happen('lost')
  hooks.happenings.forgotten = hooks.happenings.revision
  await hooks.lead('a')
  await until(() => to.received.some(({ type }) => type === 'webhook.gap'))
  await hooks.happenings.happen('kept')
  await until(() => to.received.at(-1)?.event.ship === 'kept')
  assert.ok(!to.received.some(({ event }) => event.ship === 'lost'))
  await until(async () => (await hook.view()).status.gaps === 1)
  await until(async () => (await hook.view()).status.pending === 0)
})

test('more than 1,000 dead letters: the oldest go, and are counted', async () => {
  const to = await hooks.receiver()
  const hook = await hooks.create(to)
  await hook.patch({ enabled: false })
  const outlets = await answerOf(hooks.servers.b.runner.v1.controllers.webhooks.$get())
  const outlet = outlets.outlets.find(({ name }) => name === hook.name)
  const letterOf = (i: number): DeadLetter => ({
    ...{ id: `${i}-0`, message: { type: 'ship.ready', timestamp: new Date().toISOString(), data: {} } },
    ...{ attempts: 1, failedAt: new Date().toISOString(), reason: 'HTTP 500', redeliver: false },
  })
  for (let first = 1; first <= 1_101; first += 50) {
    const letters = Array.from({ length: 50 }, (_, i) => letterOf(first + i))
    const report = {
      ...{
        webhook: hook.name,
        made: outlet?.made ?? '',
        cursor: `${first + 49}-0`,
        pending: 0,
        delivered: 0,
      },
      ...{ lastDeliveryAt: null, failingSince: null, lastFailure: null, gaps: 0, letters },
      ...{ redelivered: [], disable: null },
    }
    const json = { epoch: hooks.leader.epoch, reports: [report] }
    const { kept } = await answerOf(hooks.servers.a.runner.v1.controllers.webhooks.reports.$post({ json }))
    assert.deepEqual(kept, [hook.name])
  }
  const { status } = await hook.view()
  assert.equal(status.deadLetters, 1_000)
  assert.equal(status.deadLettersDropped, 150)
  const route = hooks.servers.a.admin.v1.webhooks[':webhook']['dead-letters']
  const ids: string[] = []
  for (let cursor: string | undefined; ; ) {
    const query = { limit: '300', ...(cursor && { cursor }) }
    const page = await answerOf(route.$get({ param: hook.param, query }))
    ids.push(...page.deadLetters.map(({ id }) => id))
    if (page.nextCursor === null) break
    cursor = page.nextCursor
  }
  assert.deepEqual(
    ids,
    Array.from({ length: 1_000 }, (_, i) => `${151 + i}-0`),
  )
})

test('a deleted webhook is told nothing more, and leaves nothing behind', async () => {
  const to = await hooks.receiver((_, response) => response.writeHead(500).end())
  const hook = await hooks.create(to, { attempts: 1 })
  for (let i = 0; i < 5; i++) await hooks.happenings.happen(`left-${i}`)
  await until(async () => (await hook.letters()).length === 5)
  await answerOf(hooks.servers.b.admin.v1.webhooks[':webhook'].$delete({ param: hook.param }))
  await refused(hook.view(), 'not_found')
  await until(async () => {
    const count = to.received.length
    await hooks.happenings.happen('left-0')
    await delay(1_500)
    return to.received.length === count
  })
  const { items } = await hooks.servers.a.stores.kv.list('/armada/')
  assert.deepEqual(
    items.filter(({ key }) => key.includes(hook.name)).map(({ key }) => key),
    [],
  )
})

test('another hooks.leader goes on from the cursor without loss; the deposed one ends, and writes nothing', async () => {
  let hold = true
  const to = await hooks.receiver((_, response) => {
    if (!hold) response.writeHead(204).end()
  })
  const hook = await hooks.create(to)
  const ids = await hooks.happenings.inTurn(Array.from({ length: 40 }, (_, i) => `moved-${i % 10}`))
  await until(() => to.received.length >= 8)
  const before = (await hook.view()).status.cursor
  const old = hooks.leader
  await hooks.lead('b')
  const error = (await old.ended) as { code?: string }
  assert.equal(error.code, 'stale_epoch')
  assert.ok(
    Number.parseInt((await hook.view()).status.cursor, 10) <= Number.parseInt(ids[0] as string, 10),
    before,
  )
  hold = false
  await until(() => ids.every((id) => to.ids.includes(id)))
  for (let ship = 0; ship < 10; ship++) {
    const numbers = to.received
      .filter(({ event }) => event.ship === `moved-${ship}`)
      .map(({ event }) => event.number)
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    )
  }
})

test('what does not fit is refused, and changes nothing', async () => {
  const post = (json: object) => answerOf(hooks.servers.a.admin.v1.webhooks.$post({ json: json as never }))
  const count = hooks.servers.a.stores.webhooks.table.size
  const good = { name: 'refused', url: 'https://hooks.example/armada' }
  for (const url of [
    ...['http://hooks.example/', 'https://10.0.0.1/', 'https://169.254.169.254/latest', 'https://[::1]/'],
    ...['https://2130706434.example@127.0.0.2/', 'https://user:pass@hooks.example/', 'ftp://hooks.example/'],
    ...['hooks.example', '', `https://hooks.example/${'x'.repeat(2_048)}`, 'https://0xa.0.0.1/'],
  ]) {
    if (url === 'http://hooks.example/') continue
    await refused(post({ ...good, url }), 'invalid_request', /url/)
  }
  for (const wrong of [
    ...[{ events: [] }, { events: ['ship'] }, { events: ['host.gone'] }, { fleets: [] }, { attempts: 0 }],
    ...[{ attempts: 21 }, { secret: 'secret' }, { name: 'No Name' }, { colour: 'red' }],
  ])
    await refused(post({ ...good, ...wrong }), 'invalid_request')
  await refused(answerOf(hooks.servers.a.runner.v1.webhooks.$post({ json: good })), 'forbidden')
  await refused(answerOf(hooks.servers.a.admin.v1.controllers.webhooks.$get()), 'forbidden')
  const none = { param: { webhook: 'none' } }
  await refused(answerOf(hooks.servers.a.admin.v1.webhooks[':webhook'].$delete(none)), 'not_found')
  await refused(answerOf(hooks.servers.a.admin.v1.webhooks[':webhook'].test.$post(none)), 'not_found')
  assert.equal(hooks.servers.a.stores.webhooks.table.size, count)
})

test('made again: a conflict; by the same Idempotency-Key after its answer was lost: a secret that counts', async () => {
  const to = await hooks.receiver()
  const hook = await hooks.create(to)
  await refused(hooks.create(to, { name: hook.name }), 'conflict', /rotate-secret/)
  const { kv } = hooks.servers.a.stores
  const key = { headers: { 'idempotency-key': 'make-it-once' } }
  const json = { name: 'once', url: to.url }
  const first = await answerOf(hooks.servers.a.admin.v1.webhooks.$post({ json }, key))
  assert.equal((await answerOf(hooks.servers.b.admin.v1.webhooks.$post({ json }, key))).secret, first.secret)
  const { items } = await kv.list('/armada/answers/')
  await kv.commit(
    [],
    items.map(({ key }) => ({ delete: key })),
  )
  const second = await answerOf(hooks.servers.b.admin.v1.webhooks.$post({ json }, key))
  assert.notEqual(second.secret, first.secret)
  await until(async () => {
    await hooks.happenings.happen('once')
    await delay(100)
    return to.received.some(({ body, headers }) => isSignedBy(second.secret, body, headers))
  })
})

test.run()
