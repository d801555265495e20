// Webhooks told of events: what arrives, in which order, and what becomes of what does not.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { Webhook as Verifier } from 'standardwebhooks'
import { suite } from 'uvu'
import { answerOf } from '../../../shared/api/client.ts'
import type { ArmadaEvent } from '../../../shared/model/event.ts'
import { Hooks, until } from '../../harness/hooks.ts'
import { refused } from '../../harness/twoServers.ts'

const test = suite('webhooks: delivery')

let hooks: Hooks
test.before(async () => {
  hooks = await Hooks.start()
})
test.after(() => hooks?.stop())

test('an event arrives, signed; the secret is shown once, and to nobody else', async () => {
  const to = await hooks.receiver()
  const hook = await hooks.create(to, { events: ['ship.*'] })
  const id = await hooks.happenings.happen('arena-1')
  await until(() => to.ids.includes(id))
  const [got] = to.received
  const message = new Verifier(hook.secret).verify(got?.body ?? '', got?.headers ?? {}) as {
    data: ArmadaEvent
  }
  assert.equal(message.data.ship, 'arena-1')
  assert.equal(got?.type, 'ship.ready')
  await until(async () => (await hook.view()).status.delivered === 1)
  const shown = await hook.view()
  assert.equal(Number.parseInt(shown.status.cursor, 10), Number.parseInt(id, 10))
  assert.ok(shown.status.lastDeliveryAt)
  assert.ok(!JSON.stringify(shown).includes('whsec_'))
  const stored = await hooks.servers.a.stores.kv.get(`/armada/webhooks/${hook.name}`)
  assert.match(stored?.value ?? '', /sealed:/)
  assert.ok(!stored?.value.includes(hook.secret.slice(6)))
  const asRunner = await answerOf(hooks.servers.a.runner.v1.webhooks[':webhook'].$get({ param: hook.param }))
  assert.match(asRunner.url, /^http:\/\/127\.0\.0\.1:\d+\/…$/, 'the path may be a secret as well')
})

test('only what is wanted comes: by type and by fleet', async () => {
  const to = await hooks.receiver()
  await hooks.create(to, { events: ['ship.failed', 'fleet.*'], fleets: ['lobby-*'] })
  await hooks.happenings.happen('x', 'ship.failed', 'arena')
  await hooks.happenings.happen('x', 'ship.failed', null)
  await hooks.happenings.happen('x', 'ship.ready', 'lobby-eu')
  const last = await hooks.happenings.happen('x', 'ship.failed', 'lobby-eu')
  await until(() => to.received.length > 0)
  assert.deepEqual(to.ids, [last])
})

test('of each ship in order, several ships at a time, though deliveries fail', async () => {
  let flying = 0
  let most = 0
  const failed = new Set<string>()
  const to = await hooks.receiver(async ({ id }, response) => {
    most = Math.max(most, ++flying)
    await delay(15)
    flying--
    // Every seventh fails at first.
    const fails = Number.parseInt(id, 10) % 14 < 2 && !failed.has(id)
    if (fails) failed.add(id)
    response.writeHead(fails ? 500 : 200).end()
  })
  const hook = await hooks.create(to)
  const sent = await hooks.happenings.inTurn(Array.from({ length: 60 }, (_, i) => `order-${i % 6}`))
  await until(async () => (await hook.view()).status.delivered === 60)
  assert.ok(most > 1 && most <= 8, `${most} at a time`)
  assert.ok(failed.size > 0)
  for (let ship = 0; ship < 6; ship++) {
    const of = to.received.filter(({ event }) => event.ship === `order-${ship}`)
    const first = [...new Set(of.map(({ event }) => event.number))]
    assert.deepEqual(first, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    const numbers = of.map(({ event }) => event.number)
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
      'none overtakes one that is tried again',
    )
  }
  assert.deepEqual([...new Set(to.ids)].sort(), [...sent].sort())
  assert.deepEqual(await hook.letters(), [])
})

test('tries with growing pauses, then a dead letter; sent again on request it goes', async () => {
  let broken = true
  const to = await hooks.receiver((_, response) => response.writeHead(broken ? 500 : 204).end())
  const hook = await hooks.create(to, { attempts: 3 })
  const id = await hooks.happenings.happen('doomed')
  await until(async () => (await hook.letters()).length === 1)
  const [first, second, third] = to.received.map(({ atMs }) => atMs) as [number, number, number]
  assert.equal(to.received.length, 3)
  assert.ok(second - first >= 490 && third - second >= 990, `${second - first} ms, ${third - second} ms`)
  const [letter] = await hook.letters()
  assert.equal(letter?.id, id)
  assert.equal(letter?.attempts, 3)
  assert.equal(letter?.reason, 'HTTP 500')
  assert.equal(letter?.message.data.ship, 'doomed')
  const { status } = await hook.view()
  assert.equal(status.deadLetters, 1)
  assert.ok(status.failingSince)
  assert.equal(status.lastFailure?.reason, 'HTTP 500')

  broken = false
  const route = hooks.servers.b.admin.v1.webhooks[':webhook']['dead-letters'][':letter']
  const param = { ...hook.param, letter: id }
  const wanted = await answerOf(route.redeliver.$post({ param }))
  assert.equal(wanted.redeliver, true)
  await until(async () => (await hook.letters()).length === 0)
  assert.equal(to.ids.at(-1), id, 'under the same id')
  assert.equal((await hook.view()).status.failingSince, null)
  await refused(answerOf(route.$get({ param })), 'not_found')
})

test('one that hangs, and one that fails, hold up nobody', async () => {
  let open = 0
  let most = 0
  const hanging = await hooks.receiver((_, response) => {
    most = Math.max(most, ++open)
    response.on('close', () => open--)
  })
  const failing = await hooks.receiver((_, response) => response.writeHead(503).end())
  const well = await hooks.receiver()
  for (const to of [hanging, failing, well]) await hooks.create(to)
  const ids = await hooks.happenings.inTurn(Array.from({ length: 30 }, (_, i) => `busy-${i}`))
  await until(() => ids.every((id) => well.ids.includes(id)))
  assert.ok(most <= 8, `${most} at a time`)
})

test('410 disables it; enabled again it goes on where it stopped', async () => {
  let gone = true
  const to = await hooks.receiver((_, response) => response.writeHead(gone ? 410 : 204).end())
  const hook = await hooks.create(to)
  const first = await hooks.happenings.happen('closed')
  await until(async () => !(await hook.view()).enabled)
  assert.match((await hook.view()).disabledReason ?? '', /410/)
  const second = await hooks.happenings.happen('closed')
  gone = false
  const before = to.received.length
  await hook.patch({ enabled: true })
  await until(() => to.ids.slice(before).includes(second))
  assert.deepEqual([...new Set(to.ids.slice(before))], [first, second])
  assert.equal((await hook.view()).disabledReason, null)
})

test('Retry-After is kept to', async () => {
  let first = true
  const to = await hooks.receiver((_, response) => {
    if (first) response.writeHead(429, { 'retry-after': '3' }).end()
    else response.writeHead(204).end()
    first = false
  })
  await hooks.create(to)
  await hooks.happenings.happen('patient')
  await hooks.happenings.happen('patient')
  await until(() => to.received.length === 3)
  const [asked, again] = to.received.map(({ atMs }) => atMs) as [number, number]
  assert.ok(again - asked >= 2_900, `${again - asked} ms`)
})

test('a test message', async () => {
  const to = await hooks.receiver()
  const hook = await hooks.create(to)
  const letter = await answerOf(
    hooks.servers.b.admin.v1.webhooks[':webhook'].test.$post({ param: hook.param }),
  )
  await until(() => to.received.length === 1)
  assert.equal(to.received[0]?.type, 'webhook.test')
  assert.equal(to.received[0]?.id, letter.id)
  await until(async () => (await hook.letters()).length === 0)
})

test.run()
