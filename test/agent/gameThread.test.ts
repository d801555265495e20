// Ships whose answers would end, hold or fill what reads them, beside honest ones.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { suite } from 'uvu'
import { askHttp } from '../../agent/advisor/probe/http.ts'
import { askQuery } from '../../agent/advisor/probe/query.ts'

const test = suite('agent: queries of games')
const signal = new AbortController().signal
const servers: Server[] = []
const honest = createSocket('udp4')

test.before(async () => {
  const answer = '\xff\xff\xff\xffstatusResponse\n\\mapname\\q3dm1\\sv_maxclients\\8\n1 2 "one"\n'
  honest.on('message', (_, from) => honest.send(Buffer.from(answer, 'latin1'), from.port, from.address))
  honest.bind(0, '127.0.0.1')
  await once(honest, 'listening')
})

test.after(() => {
  honest.close()
  for (const server of servers) server.close()
})

/** @returns its port. */
async function serve(speak: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    speak(socket)
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as { port: number }).port
}

const ask = (game: string, port: number, timeoutMs = 2_000) =>
  askQuery(game)({ address: '127.0.0.1', port, timeoutMs, signal })

const askHonest = () => ask('q3a', honest.address().port)

/** An upgrade that nobody asked for, and a reset. */
function upgrade(socket: Socket): void {
  socket.once('data', () => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
    setTimeout(() => socket.resetAndDestroy(), 50)
  })
}

/** A fault without a value, in the words of GBXRemote. */
function fault(socket: Socket): void {
  const length = (text: string) => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(text.length)
    return bytes
  }
  const [hello, said] = ['GBXRemote 2', '<methodResponse><fault></fault></methodResponse>']
  socket.write(Buffer.concat([length(hello), Buffer.from(hello)]))
  socket.on('data', (data) =>
    socket.write(Buffer.concat([length(said), data.subarray(4, 8), Buffer.from(said)])),
  )
}

test('an honest game tells its players and its map', async () => {
  assert.deepEqual(await askHonest(), { players: 1, maxPlayers: 8, map: 'q3dm1' })
})

test('an answer that ends the library ends its own probe, and no other one that is under way', async () => {
  let connections = 0
  const counted = (speak: (socket: Socket) => void) =>
    serve((socket) => {
      connections++
      speak(socket)
    })
  const [palworld, trackmania] = [await counted(upgrade), await counted(fault)]
  const bad = () =>
    [ask('palworld', palworld), ask('trackmaniaforever', trackmania)].map((one) =>
      assert.rejects(one, /cannot be read/),
    )
  const [good] = await Promise.all([Promise.all(Array.from({ length: 6 }, askHonest)), ...bad()])
  assert.deepEqual(
    good.map((one) => one?.players),
    [1, 1, 1, 1, 1, 1],
  )
  const before = connections
  await Promise.all(bad())
  assert.equal(connections, before, 'it is asked again at once')
  assert.equal((await askHonest())?.players, 1)
})

test('an answer that ends the library when its query is long over is laid at the door of nobody else', async () => {
  const late: Socket[] = []
  const port = await serve((socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
      late.push(socket)
    }),
  )
  await assert.rejects(ask('palworld', port, 300))
  assert.equal(late.length, 1)
  for (let round = 0; round < 3; round++) {
    const honest = askHonest()
    late.pop()?.resetAndDestroy()
    assert.equal((await honest)?.players, 1)
  }
})

test('an answer without an end ends the thread, not the memory of the agent', async () => {
  const part = Buffer.from(`100000\r\n${'x'.repeat(2 ** 20)}\r\n`)
  const port = await serve((socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
      const pour = () => {
        while (!socket.destroyed && socket.write(part));
      }
      socket.on('drain', pour)
      pour()
    }),
  )
  const before = process.memoryUsage.rss()
  await assert.rejects(ask('palworld', port, 10_000), /cannot be read/)
  assert.ok(process.memoryUsage.rss() - before < 400 * 2 ** 20)
})

test('a ship sends the host to nobody else', async () => {
  let visits = 0
  const other = await serve(() => visits++)
  const port = await serve((socket) =>
    socket.once('data', () =>
      socket.end(`HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:${other}/\r\ncontent-length: 0\r\n\r\n`),
    ),
  )
  await assert.rejects(ask('palworld', port))
  assert.equal(visits, 0)
})

test('each query has a socket of its own, which nobody else can bind', async () => {
  const ports: number[] = []
  const taken: string[] = []
  const game = createSocket('udp4')
  game.on('message', (_, { port }) => {
    ports.push(port)
    const thief = createSocket({ type: 'udp4', reuseAddr: true })
    thief.on('error', (error: NodeJS.ErrnoException) => {
      taken.push(error.code ?? '')
      thief.close()
    })
    thief.bind(port, '0.0.0.0', () => thief.close())
  })
  game.bind(0, '127.0.0.1')
  await once(game, 'listening')
  const asked = [1, 2].map(() => assert.rejects(ask('q3a', game.address().port, 500)))
  await Promise.all(asked)
  game.close()
  assert.equal(new Set(ports).size, 2)
  assert.ok(taken.length >= 2 && taken.every((code) => code === 'EADDRINUSE'), taken.join())
})

test('an HTTP probe whose connection is taken over is over as well', async () => {
  const upgraded = await serve(upgrade)
  const probe = askHttp('/')({ address: '127.0.0.1', port: upgraded, timeoutMs: 2_000, signal })
  await assert.rejects(probe, /gave no answer/)
})

test('a game that says nothing is refused in time, and one that the library does not know says so', async () => {
  const startMs = performance.now()
  await assert.rejects(ask('q3a', await serve(() => undefined), 300), /no answer|no usable answer/)
  assert.ok(performance.now() - startMs < 2_000)
  await assert.rejects(ask('nothing-of-the-sort', 1), /gamedig knows no game/)
})

test.run()
