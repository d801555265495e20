// The SDK's gRPC as it goes over the wire, spoken by Node's HTTP/2 client: what official clients never send is refused
// with gRPC's own statuses, and one call that goes wrong harms no other.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Allowance, type Pace } from '../../agent/sdk/allowance.ts'
import { Bounds, Looks } from '../../agent/sdk/bounds.ts'
import { Gathering } from '../../agent/sdk/gathering.ts'
import { speakGrpc } from '../../agent/sdk/grpc.ts'
import type { Line } from '../../agent/sdk/line.ts'
import { SdkError } from '../../agent/sdk/sdkError.ts'
import { sleep } from '../../shared/loop.ts'
import { until } from '../harness/until.ts'
import { frame, framed, head, reset, type Said, said } from './wire.ts'

const test = suite('agent: gRPC')
const sdk = '/agones.dev.sdk.SDK'
const none = Buffer.alloc(0)
let server: Server
let client: ClientHttp2Session
let pings = 0
let show: (self: unknown) => void = () => undefined
let watchers = 0

const self = {
  ...{ ship: 's1', fleet: 'f', attempt: 1, revision: 1, state: 'Ready', address: '10.0.0.1' },
  ...{ createdAt: new Date().toISOString(), reservedUntil: null, said: 0 },
  ...{ ports: [], labels: {}, annotations: {}, counters: {}, lists: {} },
}

/** A line that takes all words, but one label. */
const line = {
  ping: () => pings++,
  self: async () => self,
  say: async (word: { key?: string }) => {
    if (word.key === 'höchst') throw new SdkError('INVALID_ARGUMENT', 'a key/path, with ö: 100 % \ud800')
    return self
  },
  watch: (watcher: typeof show) => {
    watchers++
    show = watcher
    return () => watchers--
  },
} as unknown as Line

const accepted = new Set<Socket>()
const looks = new Looks()
/** Of the ship that connected last. */
let bounds: Bounds
let spent = 0
/** Of ships that connect next. */
let pace: Pace | undefined

test.before(async () => {
  server = createServer((socket) => {
    accepted.add(socket)
    socket.on('error', () => socket.destroy()).once('close', () => accepted.delete(socket))
    const own = new Bounds(looks, () => spent++)
    bounds = own
    const speaker = { line, probe: { type: 'sdk' } as never, allowance: new Allowance(pace), bounds: own }
    own.watch(socket)
    // As on the host's network, where it is first asked whose the connection is.
    setTimeout(() => speakGrpc(socket, speaker, { quietMs: 200, answerMs: 200, wholeMs: 500 }), 20)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  client = connect(address())
})
test.after(() => {
  client.destroy()
  server.close()
})

function address(): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Speaks HTTP/2 by the byte, as no client does. */
async function stranger(): Promise<Socket> {
  const socket = dial((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => undefined).resume()
  await once(socket, 'connect')
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0)]))
  return socket
}

function call(path: string, type = 'application/grpc+proto'): ClientHttp2Stream {
  return client.request({ ':method': 'POST', ':path': path, te: 'trailers', 'content-type': type })
}

async function answered(path: string, ...sent: Buffer[]): Promise<Said> {
  const stream = call(path)
  const answer = said(stream)
  for (const part of sent) stream.write(part)
  stream.end()
  return answer
}

test('a message that comes byte by byte is one message, and its answer ends with status 0', async () => {
  const stream = call(`${sdk}/SetLabel`)
  const answer = said(stream)
  for (const byte of framed('\n\x04mode\x12\x04duel')) {
    stream.write(Buffer.from([byte]))
    await new Promise(setImmediate)
  }
  stream.end()
  const { http, status, body, rst } = await answer
  assert.equal([http, status, rst], [200, '0', 0])
  assert.equal(body, framed(''))
})

test('an error carries its words, whatever stands in them', async () => {
  const { status, message } = await answered(`${sdk}/SetLabel`, framed('\n\x07höchst\x12\x01x'))
  assert.equal([status, message], ['3', 'a key/path, with ö: 100 % \ufffd'])
})

test('what gRPC does not allow is refused, and the connection goes on', async () => {
  assert.equal((await answered('/agones.dev.sdk.SDK/Fly', framed(''))).status, '12')
  assert.equal((await answered(`${sdk}/Ready`)).status, '12')
  assert.equal((await answered(`${sdk}/Ready`, framed(''), framed(''))).status, '12')
  assert.equal((await answered(`${sdk}/Ready`, framed('x', 1))).status, '12')
  assert.equal((await answered(`${sdk}/SetLabel`, framed(Buffer.from([0xff, 0xff])))).status, '13')
  const long = Buffer.alloc(5)
  long.writeUInt32BE(2 ** 32 - 1, 1)
  assert.equal((await answered(`${sdk}/SetLabel`, long)).status, '8')
  const plain = call(`${sdk}/Ready`, 'application/json')
  plain.end('{}')
  assert.equal((await said(plain)).http, 415)
  assert.equal((await answered(`${sdk}/Ready`, framed(''))).status, '0')
})

test('pings: many in one piece, or one in many; the end of them is answered', async () => {
  const before = pings
  const stream = call(`${sdk}/Health`)
  const answer = said(stream)
  stream.write(Buffer.concat([framed(''), framed(''), framed('').subarray(0, 2)]))
  await until(() => pings === before + 2, 5_000)
  stream.end(framed('').subarray(2))
  const { status, body } = await answer
  assert.is(pings, before + 3)
  assert.equal([status, body], ['0', framed('')])
})

test('a connection on which nothing comes is asked again and again whether anybody is there', async () => {
  const quiet = connect(address())
  let asked = 0
  quiet.on('ping', () => asked++)
  await until(() => asked >= 3, 5_000)
  quiet.destroy()
})

test('a flood of pings ends with its status, and is not read on', async () => {
  const stream = call(`${sdk}/Health`)
  const answer = said(stream)
  const before = pings
  for (let i = 0; i < 2_000; i++) stream.write(framed(''))
  const { status, message, rst } = await answer
  assert.equal([status, rst], ['8', constants.NGHTTP2_NO_ERROR])
  assert.match(message as string, '100 calls a second')
  assert.ok(pings - before <= 510, `${pings - before} were taken`)
})

test('a flood of calls: those beyond what a ship may are answered late, so that they stay few', async () => {
  const other = connect(address())
  const one = () => {
    const path = `${sdk}/GetGameServer`
    const stream = other.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' })
    stream.end(framed(''))
    return said(stream)
  }
  await once(other, 'remoteSettings')
  const beganMs = performance.now()
  const answers = await Promise.all(Array.from({ length: 700 }, one))
  const refused = answers.filter(({ status }) => status === '8')
  assert.ok(refused.length > 0, 'nothing is refused')
  assert.is(answers.filter(({ status }) => status === '0').length, answers.length - refused.length)
  assert.ok(performance.now() - beganMs >= 1_000, 'refused at once')
  assert.is((await one()).status, '0')
  other.destroy()
})

test('who watches and does not read is sent away, and forgotten', async () => {
  const other = connect(address())
  const headers = { ':method': 'POST', ':path': `${sdk}/WatchGameServer`, 'content-type': 'application/grpc' }
  const stream = other.request(headers)
  stream.on('error', () => undefined)
  let isClosed = false
  stream.once('close', () => {
    isClosed = true
  })
  stream.end(framed(''))
  await until(() => watchers === 1, 5_000)
  const annotations = { long: 'x'.repeat(50_000) }
  for (let i = 0; i < 40; i++) show({ ...self, annotations })
  await until(() => watchers === 0, 5_000)
  stream.resume()
  await until(() => isClosed, 5_000)
  assert.is(stream.rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM)
  other.destroy()
})

test('streams that are reset at any moment harm nobody', async () => {
  const ping = frame(0, 0, 1, framed(''))
  const paths = [`${sdk}/Health`, `${sdk}/Ready`, `${sdk}/WatchGameServer`, '/nowhere']
  for (const path of paths) {
    for (const type of ['application/grpc', 'text/html']) {
      for (const code of [0, 8]) {
        // In one piece, before anybody listens; and once all is served.
        const hasty = await stranger()
        hasty.write(Buffer.concat([head(path, type), ping, ping, reset(code)]))
        const slow = await stranger()
        slow.write(Buffer.concat([head(path, type), ping]))
        await sleep(40)
        slow.write(reset(code))
        await sleep(20)
        hasty.destroy()
        slow.destroy()
      }
    }
  }
  await until(() => accepted.size === 1, 5_000)
  assert.is((await answered(`${sdk}/Ready`, framed(''))).status, '0')
  assert.is(watchers, 0)
})

test('whoever breaks the protocol and goes leaves no connection and no watcher', async () => {
  const socket = await stranger()
  socket.write(
    Buffer.concat([head(`${sdk}/WatchGameServer`, 'application/grpc'), frame(0, 1, 1, framed(''))]),
  )
  await until(() => watchers === 1, 5_000)
  socket.write(frame(0, 0, 0, 'of no stream'))
  socket.end()
  await until(() => watchers === 0 && accepted.size === 1, 5_000)
  // The one that is left was asked several times meanwhile.
  assert.is((await answered(`${sdk}/Ready`, framed(''))).status, '0')
})

test('a message in parts of one byte is copied a few times, not once for each part', () => {
  let copies = 0
  class CountedBounds extends Bounds {
    override hold(bytes: number): void {
      copies++
      super.hold(bytes)
    }
  }
  const bounds = new CountedBounds(new Looks(), () => undefined)
  const gathering = new Gathering(bounds)
  const message = randomBytes(65_541)
  for (const byte of message) gathering.add(Buffer.of(byte))
  assert.ok(gathering.bytes.equals(message))
  assert.ok(copies < 25, `${copies} times`)
  assert.ok(bounds.heldBytes < 1.5 * 65_541 + 1)
  gathering.release()
  gathering.release()
  assert.is(bounds.heldBytes, 0)
})

test('all that comes costs, also frames that are no call', async () => {
  const socket = await stranger()
  const before = spent
  const priorities = Buffer.concat(Array(2_000).fill(frame(2, 0, 1, Buffer.from([0, 0, 0, 3, 1]))))
  for (let i = 0; i < 60; i++) socket.write(priorities)
  await sleep(260)
  assert.is(spent, before, `${socket.bytesWritten} bytes are too many`)
  for (let i = 0; i < 40; i++) socket.write(priorities)
  await until(() => spent > before, 5_000)
  socket.destroy()
})

test('what is no call of the protocol costs as much as one', async () => {
  const wrong = [
    { path: '/nowhere', type: 'application/grpc', sent: [framed('')] },
    { path: `${sdk}/Ready`, type: 'application/json', sent: [] },
    { path: `${sdk}/Ready`, type: 'application/grpc', sent: [] },
    { path: `${sdk}/Ready`, type: 'application/grpc', sent: [framed(''), framed('')] },
    { path: `${sdk}/Ready`, type: 'application/grpc', sent: [framed('x', 1)] },
  ]
  pace = { perSecond: 1, burst: 10 }
  const flood = async ({ path, type, sent }: (typeof wrong)[number]) => {
    const other = connect(address())
    await once(other, 'remoteSettings')
    const one = () => {
      const stream = other.request({ ':method': 'POST', ':path': path, 'content-type': type })
      for (const part of sent) stream.write(part)
      stream.end()
      return said(stream)
    }
    const answers = await Promise.all(Array.from({ length: 14 }, one))
    assert.ok(
      answers.some(({ status }) => status === '8'),
      `${path}, ${type}: none is refused`,
    )
    other.destroy()
  }
  await Promise.all(wrong.map(flood))
  pace = undefined
})

test('a call of one message ends when a second begins, and when the one does not come', async () => {
  const twice = call(`${sdk}/Ready`)
  twice.write(framed(''))
  twice.write(framed('').subarray(0, 1))
  assert.is((await said(twice)).status, '12')
  const slow = call(`${sdk}/SetLabel`)
  slow.write(framed('\n\x01a').subarray(0, 6))
  const { status, message } = await said(slow)
  assert.is(status, '3')
  assert.match(message as string, 'did not come whole within 500 ms')
  // It has come, but not its end.
  const open = call(`${sdk}/Ready`)
  open.write(framed(''))
  assert.is((await said(open)).status, '3')
})

test('what the calls of a ship hold has a bound, and all of it is given back, however they end', async () => {
  const other = connect(address())
  await once(other, 'remoteSettings')
  const { length } = await new Promise<Said[]>((resolve) => {
    const failed: Said[] = []
    for (let i = 0; i < 30; i++) {
      const path = i % 2 ? `${sdk}/Health` : `${sdk}/SetLabel`
      const stream = other.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' })
      void said(stream).then((answer) => answer.status === '8' && failed.push(answer))
      stream.write(framed(Buffer.alloc(60_000)).subarray(0, 59_000))
    }
    setTimeout(() => resolve(failed), 400)
  })
  assert.ok(length >= 10, `${length} of 30 calls failed`)
  assert.ok(bounds.heldBytes > 500_000 && bounds.heldBytes <= 1_048_576, `${bounds.heldBytes} bytes`)
  // The half of what is left has come too late by then; the pings go with their connection.
  await sleep(300)
  assert.ok(bounds.heldBytes > 59_000, `${bounds.heldBytes} bytes`)
  other.destroy()
  await until(() => bounds.heldBytes === 0)
  const ends = [
    [frame(0, 0, 1, framed(Buffer.alloc(300)).subarray(0, 200)), reset(8)],
    [frame(0, 1, 1, framed(Buffer.alloc(300)).subarray(0, 200))],
    [frame(0, 0, 1, framed(Buffer.alloc(300)).subarray(0, 200)), frame(0, 0, 0, 'of no stream')],
    [frame(0, 1, 1, framed(''))],
    [frame(0, 0, 1, framed(Buffer.alloc(300))), frame(0, 1, 1, framed(''))],
  ]
  for (const path of [`${sdk}/Health`, `${sdk}/SetLabel`, `${sdk}/WatchGameServer`]) {
    for (const [first = none, ...rest] of ends) {
      const socket = await stranger()
      socket.write(Buffer.concat([head(path, 'application/grpc'), first]))
      await sleep(40)
      for (const part of rest) socket.write(part)
      await sleep(20)
      const { heldBytes } = bounds
      socket.destroy()
      await until(() => bounds.heldBytes === 0, 5_000)
      assert.ok(heldBytes >= 0)
    }
  }
})

test.run()
