// The sockets of one ship, without an engine: this process speaks for the ship, or is a stranger on the host's network.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Allowance } from '../../agent/sdk/allowance.ts'
import { Looks } from '../../agent/sdk/bounds.ts'
import { Peers } from '../../agent/sdk/peer.ts'
import { RestSide } from '../../agent/sdk/rest.ts'
import { serveShip } from '../../agent/sdk/sockets.ts'
import { Slots } from '../../agent/slots.ts'
import { until } from '../harness/until.ts'

const test = suite('agent: SDK sockets')
/** No process has this number. */
const nobody = 2 ** 30
let over: AbortController
let warnings: string[]
let opened: Socket[]
let pings = 0
let ports: { grpc: number; rest: number }

test.before.each(async () => {
  over = new AbortController()
  warnings = []
  opened = []
  pings = 0
  ports = { grpc: await freePort(), rest: await freePort() }
})
test.after.each(() => {
  over.abort()
  for (const socket of opened) socket.destroy()
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function serve(network: 'bridge' | 'host'): Promise<void> {
  const grant = { ship: 's1', spec: { network } }
  const pid = network === 'host' ? nobody : process.pid
  const entry = { grant, sdkPorts: ports, pid, containerId: '' } as never
  const line = { ping: () => pings++ } as never
  const speaker = { line, probe: { type: 'sdk' } as never, allowance: new Allowance() }
  const log = { warn: (_: unknown, text: string) => warnings.push(text), debug: () => undefined } as never
  const serving = {
    ...{ rest: new RestSide(), openings: new Slots(1), looks: new Looks(), peers: new Peers() },
    log,
  }
  void serveShip(entry, speaker, serving, over.signal)
  await until(() => dial(ports.rest).then((socket) => socket !== undefined))
}

/** @returns undefined when nobody listens. */
async function dial(port: number): Promise<Socket | undefined> {
  const socket = connect(port, '127.0.0.1')
  opened.push(socket)
  return new Promise((resolve) => {
    socket.on('error', () => resolve(undefined)).once('connect', () => resolve(socket.resume()))
  })
}

test('connections that are dropped count: whoever goes on is not listened to', async () => {
  await serve('bridge')
  for (let i = 0; i < 32; i++) await dial(ports.grpc)
  for (let i = 0; i < 400 && (await dial(ports.grpc)); i++) opened.at(-1)?.destroy()
  await until(async () => (await dial(ports.rest)) === undefined, 2_000)
  assert.match(warnings[0] ?? '', 'connects or sends to its SDK without end')
})

test('whoever sends without end is not listened to, in whatever pieces it comes', async () => {
  await serve('bridge')
  const socket = await dial(ports.rest)
  socket?.write('POST /health HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  socket?.write('1\r\n \r\n'.repeat(60_000))
  socket?.write('0\r\n\r\n')
  await until(() => pings === 1)
  assert.equal(warnings, [])
  const others = await Promise.all(Array.from({ length: 8 }, () => dial(ports.grpc)))
  const priority = Buffer.from([0, 0, 5, 2, 0, 0, 0, 0, 1, 0, 0, 0, 3, 1])
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1')
  for (const other of others) {
    other?.write(preface)
    other?.write(Buffer.concat(Array(40_000).fill(priority)))
  }
  await until(async () => (await dial(ports.rest)) === undefined, 3_000)
  assert.is(warnings.length, 1)
})

test('on the network of the host strangers are looked at one by one, and close nothing', async () => {
  await serve('host')
  let closed = 0
  const beganMs = performance.now()
  for (let i = 0; i < 20; i++) (await dial(ports.grpc))?.once('close', () => closed++)
  await until(() => closed === 20)
  const tookMs = performance.now() - beganMs
  assert.ok(tookMs >= 20 * 20, `20 looks in ${Math.round(tookMs)} ms`)
  for (let i = 0; i < 400; i++) (await dial(ports.grpc))?.destroy()
  assert.ok(await dial(ports.rest))
  assert.equal(warnings, [])
})

test.run()
