// Webhooks on two ApiServers over real stores, delivered to real receivers by the loop of the leading controllers.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { Webhook as Verifier } from 'standardwebhooks'
import { suite } from 'uvu'
import type { StreamedEvent } from '../../functions/runners/controllers/webhooks/deliverer.ts'
import { keepWebhooks } from '../../functions/runners/controllers/webhooks/keepWebhooks.ts'
import { AddressGuard } from '../../shared/addressGuard.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import type { ArmadaEvent } from '../../shared/model/event.ts'
import type { DeadLetter, WebhookView } from '../../shared/model/webhook.ts'
import { newWebhookSecret } from '../../shared/webhookSignature.ts'
import type { ApiServer } from '../harness/apiServer.ts'
import { Receiver } from '../harness/receiver.ts'
import { refused, startTwoServers, type TwoServers } from '../harness/twoServers.ts'
import { reasonOf, until as untilWithin } from '../harness/until.ts'

const test = suite('webhooks')
const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const guard = new AddressGuard('127.0.0.0/8')
const receivers: Receiver[] = []
/** A busy machine takes its time. */
const until = (holds: () => boolean | Promise<boolean>) => untilWithin(holds, 60_000)
let servers: TwoServers
let leader: Awaited<ReturnType<typeof lead>>
let names = 0

/** Events as the stream gives them; the test says what happens. */
class Happenings {
  readonly #events: StreamedEvent[] = []
  readonly #numbers = new Map<string, number>()
  /** Events up to it are no longer kept. */
  forgotten = 0
  revision = 0

  /** Takes a revision of the real store, so that a webhook made later begins behind it. */
  async happen(ship: string, type = 'ship.ready', fleet: string | null = null): Promise<string> {
    const number = (this.#numbers.get(ship) ?? 0) + 1
    this.#numbers.set(ship, number)
    const revision = await servers.a.stores.kv.commit([], [{ put: '/test/happened', value: ship }])
    this.revision = revision as number
    const id = `${revision}-0`
    const event: ArmadaEvent = {
      ...{ id, type, at: new Date().toISOString(), ship, fleet, number, attempt: 1 },
      ...{ state: 'Ready', host: 'north', reason: null },
    }
    this.#events.push({ event: 'event', id, data: JSON.stringify(event) })
    return id
  }

  async *after(cursor: string, signal: AbortSignal): AsyncGenerator<StreamedEvent> {
    let at = Number(cursor.split('-')[0])
    if (at < this.forgotten) {
      at = this.forgotten
      yield { event: 'reset', id: String(at), data: '{}' }
    }
    while (!signal.aborted) {
      for (const event of this.#events.filter(({ id }) => Number.parseInt(id as string, 10) > at)) {
        at = Number.parseInt(event.id as string, 10)
        yield event
      }
      yield { event: 'bookmark', id: String(at), data: '{}' }
      await delay(20, undefined, { signal }).catch(() => undefined)
    }
  }
}

let happenings: Happenings

async function happenInTurn(ships: readonly string[]): Promise<string[]> {
  const ids: string[] = []
  for (const ship of ships) ids.push(await happenings.happen(ship))
  return ids
}

async function lead(api: ApiServer) {
  const epoch = await api.lead('controllers')
  const ending = new AbortController()
  const running = keepWebhooks({
    ...{ client: api.runner, epoch, log, guard, signal: ending.signal },
    events: (after, signal) => happenings.after(after, signal),
  })
  const ended = reasonOf(running)
  return {
    epoch,
    ended,
    async stop() {
      ending.abort()
      await ended
    },
  }
}

async function receiver(respond?: Receiver['respond']): Promise<Receiver> {
  const started = await Receiver.start(respond)
  receivers.push(started)
  return started
}

type Wanted = Partial<Parameters<ApiServer['admin']['v1']['webhooks']['$post']>[0]['json']>

async function create(to: Receiver, wanted: Wanted = {}) {
  const json = { name: `hook-${names++}`, url: to.url, ...wanted }
  const made = await answerOf(servers.a.admin.v1.webhooks.$post({ json }))
  const reader = { param: { webhook: made.name } }
  const view = (): Promise<WebhookView> =>
    answerOf(servers.b.admin.v1.webhooks[':webhook'].$get(reader)) as Promise<WebhookView>
  const letters = async (): Promise<DeadLetter[]> => {
    const route = servers.b.admin.v1.webhooks[':webhook']['dead-letters']
    return (await answerOf(route.$get({ ...reader, query: {} }))).deadLetters as DeadLetter[]
  }
  const patch = (json: object) =>
    answerOf(servers.a.admin.v1.webhooks[':webhook'].$patch({ ...reader, json, header: {} }))
  return { ...made, param: reader.param, view, letters, patch }
}

test.before(async () => {
  servers = await startTwoServers()
  happenings = new Happenings()
  leader = await lead(servers.a)
})

test.after(async () => {
  await leader?.stop()
  for (const one of receivers) await one.stop()
  await servers?.stop()
})

test('an event arrives, signed; the secret is shown once, and to nobody else', async () => {
  const to = await receiver()
  const hook = await create(to, { events: ['ship.*'] })
  const id = await happenings.happen('arena-1')
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
  const stored = await servers.a.stores.kv.get(`/armada/webhooks/${hook.name}`)
  assert.match(stored?.value ?? '', /sealed:/)
  assert.ok(!stored?.value.includes(hook.secret.slice(6)))
  const asRunner = await answerOf(servers.a.runner.v1.webhooks[':webhook'].$get({ param: hook.param }))
  assert.match(asRunner.url, /^http:\/\/127\.0\.0\.1:\d+\/…$/, 'the path may be a secret as well')
})

test('only what is wanted comes: by type and by fleet', async () => {
  const to = await receiver()
  await create(to, { events: ['ship.failed', 'fleet.*'], fleets: ['lobby-*'] })
  await happenings.happen('x', 'ship.failed', 'arena')
  await happenings.happen('x', 'ship.failed', null)
  await happenings.happen('x', 'ship.ready', 'lobby-eu')
  const last = await happenings.happen('x', 'ship.failed', 'lobby-eu')
  await until(() => to.received.length > 0)
  assert.deepEqual(to.ids, [last])
})

test('of each ship in order, several ships at a time, though deliveries fail', async () => {
  let flying = 0
  let most = 0
  const failed = new Set<string>()
  const to = await receiver(async ({ id }, response) => {
    most = Math.max(most, ++flying)
    await delay(15)
    flying--
    // Every seventh fails at first.
    const fails = Number.parseInt(id, 10) % 14 < 2 && !failed.has(id)
    if (fails) failed.add(id)
    response.writeHead(fails ? 500 : 200).end()
  })
  const hook = await create(to)
  const sent = await happenInTurn(Array.from({ length: 60 }, (_, i) => `order-${i % 6}`))
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
  const to = await receiver((_, response) => response.writeHead(broken ? 500 : 204).end())
  const hook = await create(to, { attempts: 3 })
  const id = await happenings.happen('doomed')
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
  const route = servers.b.admin.v1.webhooks[':webhook']['dead-letters'][':letter']
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
  const hanging = await receiver((_, response) => {
    most = Math.max(most, ++open)
    response.on('close', () => open--)
  })
  const failing = await receiver((_, response) => response.writeHead(503).end())
  const well = await receiver()
  for (const to of [hanging, failing, well]) await create(to)
  const ids = await happenInTurn(Array.from({ length: 30 }, (_, i) => `busy-${i}`))
  await until(() => ids.every((id) => well.ids.includes(id)))
  assert.ok(most <= 8, `${most} at a time`)
})

test('410 disables it; enabled again it goes on where it stopped', async () => {
  let gone = true
  const to = await receiver((_, response) => response.writeHead(gone ? 410 : 204).end())
  const hook = await create(to)
  const first = await happenings.happen('closed')
  await until(async () => !(await hook.view()).enabled)
  assert.match((await hook.view()).disabledReason ?? '', /410/)
  const second = await happenings.happen('closed')
  gone = false
  const before = to.received.length
  await hook.patch({ enabled: true })
  await until(() => to.ids.slice(before).includes(second))
  assert.deepEqual([...new Set(to.ids.slice(before))], [first, second])
  assert.equal((await hook.view()).disabledReason, null)
})

test('Retry-After is kept to', async () => {
  let first = true
  const to = await receiver((_, response) => {
    if (first) response.writeHead(429, { 'retry-after': '3' }).end()
    else response.writeHead(204).end()
    first = false
  })
  await create(to)
  await happenings.happen('patient')
  await happenings.happen('patient')
  await until(() => to.received.length === 3)
  const [asked, again] = to.received.map(({ atMs }) => atMs) as [number, number]
  assert.ok(again - asked >= 2_900, `${again - asked} ms`)
})

test('a new secret: both count until the overlap ends, then only the new one', async () => {
  const to = await receiver()
  const hook = await create(to, { secret: newWebhookSecret() })
  const route = servers.a.admin.v1.webhooks[':webhook']['rotate-secret']
  const rotate = (overlapSeconds: number) =>
    answerOf(route.$post({ param: hook.param, json: { overlapSeconds } }))
  const verifies = (secret: string, i: number) => {
    const { body = '', headers = {} } = to.received.at(i) ?? {}
    try {
      return Boolean(new Verifier(secret).verify(body, headers))
    } catch {
      return false
    }
  }
  const second = await rotate(3_600)
  assert.ok(second.secretsOverlapUntil)
  await refused(rotate(3_600), 'conflict', /overlap until/)
  const signedBy = (...secrets: string[]) =>
    until(async () => {
      const count = to.received.length
      await happenings.happen('rotated')
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
  const to = await receiver()
  const hook = await create(to)
  await happenings.happen('kept')
  await until(() => to.received.length === 1)
  await leader.stop()
  await happenings.happen('lost')
  happenings.forgotten = happenings.revision
  leader = await lead(servers.a)
  await until(() => to.received.some(({ type }) => type === 'webhook.gap'))
  await happenings.happen('kept')
  await until(() => to.received.at(-1)?.event.ship === 'kept')
  assert.ok(!to.received.some(({ event }) => event.ship === 'lost'))
  await until(async () => (await hook.view()).status.gaps === 1)
  await until(async () => (await hook.view()).status.pending === 0)
})

test('a test message', async () => {
  const to = await receiver()
  const hook = await create(to)
  const letter = await answerOf(servers.b.admin.v1.webhooks[':webhook'].test.$post({ param: hook.param }))
  await until(() => to.received.length === 1)
  assert.equal(to.received[0]?.type, 'webhook.test')
  assert.equal(to.received[0]?.id, letter.id)
  await until(async () => (await hook.letters()).length === 0)
})

test('more than 1,000 dead letters: the oldest go, and are counted', async () => {
  const to = await receiver()
  const hook = await create(to)
  await hook.patch({ enabled: false })
  const outlets = await answerOf(servers.b.runner.v1.controllers.webhooks.$get())
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
    const json = { epoch: leader.epoch, reports: [report] }
    const { kept } = await answerOf(servers.a.runner.v1.controllers.webhooks.reports.$post({ json }))
    assert.deepEqual(kept, [hook.name])
  }
  const { status } = await hook.view()
  assert.equal(status.deadLetters, 1_000)
  assert.equal(status.deadLettersDropped, 150)
  const route = servers.a.admin.v1.webhooks[':webhook']['dead-letters']
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
  const to = await receiver((_, response) => response.writeHead(500).end())
  const hook = await create(to, { attempts: 1 })
  for (let i = 0; i < 5; i++) await happenings.happen(`left-${i}`)
  await until(async () => (await hook.letters()).length === 5)
  await answerOf(servers.b.admin.v1.webhooks[':webhook'].$delete({ param: hook.param }))
  await refused(hook.view(), 'not_found')
  await until(async () => {
    const count = to.received.length
    await happenings.happen('left-0')
    await delay(1_500)
    return to.received.length === count
  })
  const { items } = await servers.a.stores.kv.list('/armada/')
  assert.deepEqual(
    items.filter(({ key }) => key.includes(hook.name)).map(({ key }) => key),
    [],
  )
})

test('another leader goes on from the cursor without loss; the deposed one ends, and writes nothing', async () => {
  let hold = true
  const to = await receiver((_, response) => {
    if (!hold) response.writeHead(204).end()
  })
  const hook = await create(to)
  const ids = await happenInTurn(Array.from({ length: 40 }, (_, i) => `moved-${i % 10}`))
  await until(() => to.received.length >= 8)
  const before = (await hook.view()).status.cursor
  const old = leader
  leader = await lead(servers.b)
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
  const post = (json: object) => answerOf(servers.a.admin.v1.webhooks.$post({ json: json as never }))
  const count = servers.a.stores.webhooks.table.size
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
  await refused(answerOf(servers.a.runner.v1.webhooks.$post({ json: good })), 'forbidden')
  await refused(answerOf(servers.a.admin.v1.controllers.webhooks.$get()), 'forbidden')
  const none = { param: { webhook: 'none' } }
  await refused(answerOf(servers.a.admin.v1.webhooks[':webhook'].$delete(none)), 'not_found')
  await refused(answerOf(servers.a.admin.v1.webhooks[':webhook'].test.$post(none)), 'not_found')
  assert.equal(servers.a.stores.webhooks.table.size, count)
})

test('made again: a conflict; by the same Idempotency-Key after its answer was lost: a secret that counts', async () => {
  const to = await receiver()
  const hook = await create(to)
  await refused(create(to, { name: hook.name }), 'conflict', /rotate-secret/)
  const { kv } = servers.a.stores
  const key = { headers: { 'idempotency-key': 'make-it-once' } }
  const json = { name: 'once', url: to.url }
  const first = await answerOf(servers.a.admin.v1.webhooks.$post({ json }, key))
  assert.equal((await answerOf(servers.b.admin.v1.webhooks.$post({ json }, key))).secret, first.secret)
  const { items } = await kv.list('/armada/answers/')
  await kv.commit(
    [],
    items.map(({ key }) => ({ delete: key })),
  )
  const second = await answerOf(servers.b.admin.v1.webhooks.$post({ json }, key))
  assert.notEqual(second.secret, first.secret)
  await until(async () => {
    await happenings.happen('once')
    await delay(100)
    return to.received.some(({ body, headers }) => reads(second.secret, body, headers))
  })
})

function reads(secret: string, body: string, headers: Record<string, string>): boolean {
  try {
    return Boolean(new Verifier(secret).verify(body, headers))
  } catch {
    return false
  }
}

test.run()
