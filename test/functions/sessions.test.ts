// Sessions between two ApiServers, with a hand in place of the agent: who may write, how much, and what is repeated.
import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import { suite } from 'uvu'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { eventStream } from '../../shared/api/eventStream.ts'
import type { Chunk, SessionCall } from '../../shared/model/session.ts'
import { adminToken } from '../harness/apiServer.ts'
import {
  boardShips,
  joinHost,
  publish,
  refused,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('sessions')
const over = new AbortController()
const calls: SessionCall[] = []
let two: TwoServers
let host: Client
let other: Client
let ship: string

test.before(async () => {
  two = await startTwoServers({ balanced: false })
  await publish(two.a, 'arena', { console: 'stdin' })
  const mine = await joinHost(two.a, 'mine')
  host = mine.client
  other = (await joinHost(two.a, 'other')).client
  ship = (await boardShips(two.a, host, 1))[0] ?? ''
  const stream = eventStream({
    url: `${two.a.url}/v1/monitor/stream`,
    token: mine.credential,
    signal: over.signal,
  })
  const hear = async () => {
    for await (const { event, data } of stream) if (event === 'session') calls.push(JSON.parse(data))
  }
  hear().catch(() => undefined)
})

test.after(async () => {
  over.abort()
  await two?.stop()
})

const chunkOf = (seq: number, change: Partial<Chunk> = {}): Chunk => ({
  ...{ seq, skipped: 0, more: false, lines: [], ended: null },
  ...change,
})
const at = (n: number) => `2026-11-02T18:04:06.${String(n).padStart(9, '0')}Z`
const line = (n: number) => ({ at: at(n), stream: 'stdout' as const, text: `line ${n}` })
const send = (client: Client, session: string, json: Chunk) =>
  answerOf(client.v1.monitor.sessions[':session'].$post({ param: { session }, json }))

async function calledAfter(count: number): Promise<SessionCall> {
  await until(() => calls.length > count, 20_000)
  return calls.at(-1) as SessionCall
}

function follow(query = '?follow=true', token = adminToken) {
  const ended = new AbortController()
  const seen = { text: '', ended: false, end: () => ended.abort() }
  const read = async () => {
    const response = await fetch(`${two.b.url}/v1/ships/${ship}/logs${query}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: ended.signal,
    })
    for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) seen.text += part
    seen.ended = true
  }
  read().catch(() => undefined)
  return seen
}

test('a host writes to the sessions of its own ships only, and hears when nobody listens any more', async () => {
  const before = calls.length
  const reader = follow()
  const call = await calledAfter(before)
  assert.deepEqual({ ...call, session: '' }, {
    ...{ kind: 'log', session: '', ship, attempt: 1, tail: 100, since: null, follow: true },
  } as SessionCall)
  await refused(send(other, call.session, chunkOf(0, { lines: [line(1)] })), 'not_found')
  await refused(send(two.a.admin, call.session, chunkOf(0)), 'forbidden')
  await refused(send(host, 'x', chunkOf(0)), 'invalid_request')
  await refused(
    send(host, call.session, chunkOf(0, { lines: [{ ...line(1), at: 'now' }] })),
    'invalid_request',
  )
  await send(host, call.session, chunkOf(0, { lines: [line(2)] }))
  await until(() => reader.text === 'line 2\n')
  reader.end()
  await until(async () =>
    send(host, call.session, chunkOf(1)).then(
      () => false,
      (error) => error.code === 'not_found',
    ),
  )
})

test('what was lost on the way is asked for again from the last line; what comes twice is shown once', async () => {
  const before = calls.length
  const reader = follow()
  const first = await calledAfter(before)
  await send(host, first.session, chunkOf(0, { lines: [line(1), line(2)] }))
  await send(host, first.session, chunkOf(0, { lines: [line(1), line(2)] }))
  await until(() => reader.text === 'line 1\nline 2\n')
  await send(host, first.session, chunkOf(2, { lines: [line(9)] }))
  await until(() => calls.at(-1)?.session !== first.session, 20_000)
  const second = calls.at(-1) as SessionCall
  assert.ok(second.kind === 'log' && second.since === at(2) && second.tail === null)
  await refused(send(host, first.session, chunkOf(3)), 'not_found')
  await send(host, second.session, chunkOf(0, { lines: [line(2), line(3)], skipped: 7 }))
  await until(() => reader.text.endsWith('line 3\n'))
  assert.match(reader.text, /^line 1\nline 2\n(--- waiting.*\n)?--- 7 lines are left out.*\nline 3\n$/)
  reader.end()
})

test('stamps of two streams may go back: every line is shown, and once', async () => {
  const before = calls.length
  const reader = follow()
  const first = await calledAfter(before)
  const told = (n: number) => ({ ...line(n), stream: 'stderr' as const })
  await send(host, first.session, chunkOf(0, { lines: [line(5), told(3), told(4), line(5), told(3)] }))
  await until(() => reader.text === 'line 5\nline 3\nline 4\n')
  await until(() => calls.at(-1)?.session !== first.session, 20_000)
  const second = calls.at(-1) as SessionCall
  assert.ok(second.kind === 'log' && second.since === at(5))
  reader.end()
})

test('FLUSHALL in the middle changes nothing, and a silent agent is called again', async () => {
  const before = calls.length
  const reader = follow()
  const first = await calledAfter(before)
  await send(host, first.session, chunkOf(0, { lines: [line(1)] }))
  await until(() => reader.text === 'line 1\n')
  const redis = new Redis(two.stack.redis.address)
  await redis.flushall()
  redis.disconnect()
  await send(host, first.session, chunkOf(1, { lines: [line(2)] }))
  await until(() => reader.text === 'line 1\nline 2\n')
  await until(async () => (await send(host, first.session, chunkOf(2))).taken === 2)
  await until(() => calls.at(-1)?.session !== first.session, 20_000)
  reader.end()
})

test('a reader who does not read costs little, and the agent hears that he has not', async () => {
  const before = calls.length
  const response = await fetch(`${two.b.url}/v1/ships/${ship}/logs?follow=true`, {
    headers: { authorization: `Bearer ${adminToken}` },
  })
  const call = await calledAfter(before)
  const text = 'x'.repeat(10_000)
  let seq = 0
  let taken = 0
  // What sockets hold on the way is some megabytes; then it stands still.
  while (seq - taken < 4 && seq < 400) {
    const lines = Array.from({ length: 6 }, (_, i) => ({ ...line(seq * 10 + i + 1), text }))
    taken = (await send(host, call.session, chunkOf(seq++, { lines }))).taken ?? 0
    if (seq - taken >= 4) {
      await until(async () => (await send(host, call.session, chunkOf(seq))).taken === seq, 1_000).catch(
        () => 0,
      )
      taken = (await send(host, call.session, chunkOf(seq))).taken ?? 0
    }
  }
  assert.ok(seq < 400, 'it was never held up')
  await response.body?.cancel()
})

test('a token that is limited to other fleets sees no ship; one that is revoked sees no more of it', async () => {
  const make = async (name: string, fleets: string[] | null) =>
    (await answerOf(two.a.admin.v1.tokens.$post({ json: { name, role: 'operator', fleets } }))).secret
  const limited = two.b.as(await make('limited', ['lobby-*']))
  await refused(
    answerOf(limited.v1.ships[':ship'].logs.$get({ param: { ship }, query: {}, header: {} })),
    'not_found',
  )
  const json = { line: 'hello' }
  await refused(
    answerOf(limited.v1.ships[':ship'].console.$post({ param: { ship }, json, header: {} })),
    'not_found',
  )
  const before = calls.length
  const reader = follow('?follow=true', await make('leaver', null))
  const { session } = await calledAfter(before)
  await send(host, session, chunkOf(0, { lines: [line(1)] }))
  await until(() => reader.text === 'line 1\n')
  await answerOf(two.a.admin.v1.tokens[':token'].$delete({ param: { token: 'leaver' } }))
  await until(() => reader.ended, 20_000)
})

test('a ship has so many readers and no more', async () => {
  const readers = Array.from({ length: 16 }, () => follow())
  const ask = () =>
    fetch(`${two.b.url}/v1/ships/${ship}/logs`, { headers: { authorization: `Bearer ${adminToken}` } })
  await until(async () => (await ask()).status === 429, 20_000)
  for (const reader of readers) reader.end()
  await until(async () => {
    const response = await ask()
    // Nobody answers for the host here; but it is not refused for the number of readers.
    return response.status === 503
  }, 30_000)
})

test('the line of a console is handed out once, and the answer says what became of it', async () => {
  const write = (text: string, key: string) =>
    answerOf(
      two.b.admin.v1.ships[':ship'].console.$post({
        param: { ship },
        json: { line: text },
        header: { 'idempotency-key': key },
      }),
    )
  const next = async () => {
    const before = calls.length
    await until(() => calls.slice(before).some(({ kind }) => kind === 'console'), 20_000)
    return calls.findLast(({ kind }) => kind === 'console') as SessionCall
  }
  const writing = write('say hello', 'k1')
  const { session } = await next()
  assert.equal((await send(other, session, chunkOf(0)).catch(() => ({ line: null }))).line, null)
  assert.equal((await send(host, session, chunkOf(0))).line, 'say hello')
  assert.equal((await send(host, session, chunkOf(0))).line, null)
  await send(host, session, chunkOf(0, { ended: { why: 'written', detail: '' } }))
  assert.deepEqual(await writing, { ship, attempt: 1, host: 'mine' })

  const lost = write('say what', 'k2')
  const first = await next()
  await send(host, first.session, chunkOf(0))
  await refused(lost, 'unavailable', /look into the logs/)
  const again = write('say what', 'k2')
  const second = await next()
  assert.equal(second.session, first.session, 'an agent could not tell that it has written it')
  await send(host, second.session, chunkOf(0, { ended: { why: 'written', detail: '' } }))
  assert.equal((await again).ship, ship)
})

test.run()
