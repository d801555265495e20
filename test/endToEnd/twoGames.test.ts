// Two real games side by side on one host, each asked by its own query: a player who joins one is counted there alone,
// and what it printed of them is read through the API.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect, type TLSSocket } from 'node:tls'
import { suite } from 'uvu'
import { imageOf, mumble, openArena } from '../../infra/quickstart/games.ts'
import { tellEngine } from '../../infra/stack/engine.ts'
import { answerOf } from '../../shared/api/client.ts'
import { adminToken } from '../harness/apiServer.ts'
import { Cluster } from '../harness/cluster.ts'

const test = suite('two games')
let cluster: Cluster

test.before(async () => {
  cluster = await Cluster.start([openArena, mumble])
  await cluster.addHost('host-a', { memoryMiB: 2_048 })
})

test.after(() => cluster?.stop())

async function launch(blueprint: string, json: { image: string }): Promise<void> {
  await answerOf(cluster.client.v1.blueprints[':blueprint'].$put({ param: { blueprint }, json }))
  const fleet = { name: blueprint, blueprint, replicas: 1 }
  await answerOf(cluster.client.v1.fleets.$post({ json: fleet }))
}

/** Until the query of its ship has counted so many. */
async function counted(fleet: string, players: number, maxPlayers: number): Promise<void> {
  await cluster.until(`${fleet} has ${players} players`, 20_000, async () => {
    const [ship] = await cluster.ships({ fleet })
    return ship?.sample?.players === players && ship.sample.maxPlayers === maxPlayers
  })
}

async function logs(ship: string): Promise<string> {
  const headers = { authorization: `Bearer ${adminToken}` }
  const response = await fetch(`${cluster.url}/v1/ships/${ship}/logs?tail=200`, { headers })
  assert.equal(response.status, 200)
  return response.text()
}

/** Joins a Mumble server as its clients do: what they are, and who they are, as Protocol Buffers behind a short head. */
function join(port: number, name: string): TLSSocket {
  const text = (field: number, value: string) =>
    Buffer.concat([Buffer.from([(field << 3) | 2, value.length]), Buffer.from(value)])
  const message = (type: number, body: Buffer) => {
    const head = Buffer.alloc(6)
    head.writeUInt16BE(type, 0)
    head.writeUInt32BE(body.length, 2)
    return Buffer.concat([head, body])
  }
  const version = Buffer.concat([Buffer.from([0x08, 0x80, 0x86, 0x04]), text(2, 'test')])
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  socket.on('error', () => undefined)
  socket.write(Buffer.concat([message(0, version), message(2, text(1, name))]))
  return socket.resume()
}

test('two games run side by side, and their players are counted by their own queries', async () => {
  await launch('openarena', JSON.parse(readFileSync('infra/quickstart/blueprint.json', 'utf8')))
  const voice = {
    image: imageOf(mumble),
    readOnlyRoot: true,
    ports: [{ name: 'voice', protocol: 'tcp+udp', containerPort: 64_738 }],
    resources: { cpuMillis: 200, memoryMiB: 128 },
    probe: { type: 'query', game: 'mumble', port: 'voice', periodMs: 1_000, failures: 5 },
    counters: { speakers: { capacity: 1, countedBy: 'probe' } },
    lifecycle: { graceMs: 1_000, unhealthy: { afterMs: 2_000 } },
  }
  await launch('mumble', voice)
  const [[arena], [speech]] = await Promise.all([
    cluster.fleetReady('openarena', 1, 60_000),
    cluster.fleetReady('mumble', 1, 60_000),
  ])
  await Promise.all([counted('openarena', 0, 16), counted('mumble', 0, 1_000)])

  const player = join(speech?.ports[0]?.hostPort ?? 0, 'quartermaster')
  await counted('mumble', 1, 1_000)
  await cluster.until('its counter follows', 5_000, async () => {
    const { count, capacity } = (await cluster.ships({ fleet: 'mumble' }))[0]?.counters?.speakers ?? {}
    return count === 1 && capacity === 1_000
  })
  await counted('openarena', 0, 16)
  assert.match(await logs(speech?.id ?? ''), /quartermaster\(-1\)> Authenticated/)
  assert.match(await logs(arena?.id ?? ''), /am_underworks/)
  player.destroy()
  await counted('mumble', 0, 1_000)
})

test('a game that hangs is ended, says so, and its fleet has another one', async () => {
  const [hung] = await cluster.ships({ fleet: 'mumble' })
  const container = `armada-${hung?.id}-${hung?.attempt}`
  const top = await tellEngine(cluster.docker.engine, {
    path: `/containers/${container}/top?ps_args=-eo%20pid,args`,
    limitMs: 10_000,
  })
  const { Processes } = JSON.parse(top) as { Processes: [pid: string, args: string][] }
  const game = Processes.filter(([, args]) => /murmur|mumble/.test(args)).at(-1)
  process.kill(Number(game?.[0]), 'SIGSTOP')
  await cluster.until('another one is Ready', 60_000, async () => {
    const ships = await cluster.ships({ fleet: 'mumble' })
    return ships.some(({ id, state }) => id !== hung?.id && state === 'Ready')
  })
  const { state, reason } = await cluster.until('the hung one has ended', 20_000, async () => {
    const found = (await cluster.ships({ fleet: 'mumble' })).find(({ id }) => id === hung?.id)
    return found?.state === 'Failed' && found
  })
  assert.equal(state, 'Failed')
  assert.match(reason ?? '', /^Unhealthy since .*: \d+ probes in a row failed/)
})

test.run()
