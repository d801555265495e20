// The SDK over REST, by the byte: a ship that calls as fast as it can.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { suite } from 'uvu'
import { Allowance } from '../../agent/sdk/allowance.ts'
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
  override take(nowMs?: number) {
    looks++
    return super.take(nowMs)
  }
}

const line = { ping: () => pings++ } as unknown as Line
let speaker: Speaker

test.before(async () => {
  server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    rest.connected(socket, speaker)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
test.before.each(() => {
  speaker = { line, probe: { type: 'sdk' } as never, allowance: new CountedAllowance() }
  pings = looks = 0
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

test.run()
