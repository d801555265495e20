// The SDK over REST, by the byte: a ship that calls as fast as it can.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { suite } from 'uvu'
import { Allowance } from '../../agent/sdk/allowance.ts'
import { Bounds, Looks } from '../../agent/sdk/bounds.ts'
import type { Line } from '../../agent/sdk/line.ts'
import type { Speaker } from '../../agent/sdk/method.ts'
import { RestSide } from '../../agent/sdk/rest.ts'
import { until } from '../harness/until.ts'

const test = suite('agent: REST')
const rest = new RestSide()
let server: Server
let pings = 0
let looks = 0

/** Tells how many calls it looked at. */
class CountedAllowance extends Allowance {
  override take() {
    looks++
    return super.take()
  }
}

const line = { ping: () => pings++ } as unknown as Line
let speaker: Speaker
let spent = 0
const watch = new Looks()

test.before(async () => {
  server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    speaker.bounds.watch(socket)
    rest.connected(socket, speaker)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
test.before.each(() => {
  const bounds = new Bounds(watch, () => spent++)
  speaker = { line, probe: { type: 'sdk' } as never, allowance: new CountedAllowance(), bounds }
  pings = looks = spent = 0
})
test.after(() => {
  server.close()
})

async function dial(): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => undefined)
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  await once(socket, 'connect')
  return { socket, text: () => text }
}

const health =
  'POST /health HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'

test('calls in one piece are all answered, within what a ship may', async () => {
  const { socket, text } = await dial()
  socket.write(health.repeat(300))
  await until(() => pings === 300 && text().split('HTTP/1.1 200').length === 301)
  socket.destroy()
})

test('a flood in few bytes: the calls beyond what a ship may are not even parsed', async () => {
  const many = await Promise.all(Array.from({ length: 8 }, dial))
  for (const { socket } of many) socket.write('GET / HTTP/1.1\r\nHost:\r\n\r\n'.repeat(4_000))
  await until(() => many.every(({ socket }) => socket.closed), 10_000)
  // Its burst, and what one piece of 1 KiB holds for each connection.
  assert.ok(looks <= 520 + 8 * 45, `${looks} of 32,000 calls were looked at`)
})

test('whoever calls too often, one by one, hears it', async () => {
  const { socket, text } = await dial()
  const statuses = () => text().match(/HTTP\/1.1 \d+/g) ?? []
  while (statuses().at(-1) !== 'HTTP/1.1 429') {
    assert.ok(statuses().length < 2_000, 'nothing is refused')
    socket.write(health)
    await once(socket, 'data')
  }
  assert.ok(pings >= 500)
  await until(() => socket.closed)
})

test('few calls of many bytes are too much as well', async () => {
  const many = await Promise.all(Array.from({ length: 8 }, dial))
  const head = 'POST /health HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n'
  const body = `${'1\r\n \r\n'.repeat(60_000)}0\r\n\r\n`
  const [first] = many
  first?.socket.write(head + body)
  await until(() => pings === 1)
  assert.equal(spent, 0)
  for (const { socket } of many) socket.write(head + body)
  await until(() => spent > 0, 2_000)
  for (const { socket } of many) socket.destroy()
})

test('bodies that are being read have a bound together, and give back what they held', async () => {
  const many = await Promise.all(Array.from({ length: 24 }, dial))
  const { bounds } = speaker
  for (const { socket } of many) {
    socket.write('POST /health HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n')
    socket.write(' '.repeat(59_000))
  }
  await until(() => many.some(({ text }) => text().includes('HTTP/1.1 429')), 5_000)
  assert.ok(bounds.heldBytes > 500_000 && bounds.heldBytes <= 1_048_576, `${bounds.heldBytes} bytes`)
  const kept = many.filter(({ socket }) => !socket.closed)
  for (const { socket } of kept.splice(0, 5)) socket.destroy()
  for (const { socket } of kept) socket.write(' '.repeat(1_000))
  await until(() => bounds.heldBytes === 0, 5_000)
  for (const { socket } of many) socket.destroy()
})

test.run()
