// The quickstart images: built without an image registry, hardened, queried as a player would, ended in time.
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { GameDig } from 'gamedig'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import blueprint from '../../infra/quickstart/blueprint.json' with { type: 'json' }
import { type Game, idle, imageOf, openArena, teeworlds } from '../../infra/quickstart/games.ts'
import { buildQuickstartImage } from '../../infra/quickstart/image.ts'
import { type Dockerd, startDockerd } from '../../infra/stack/dockerd.ts'
import { tellEngine } from '../../infra/stack/engine.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import { createLog } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'

const test = suite('quickstart')
const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const cacheDir = join(import.meta.dirname, '../../.armada/cache')
let scratch: Scratch
let docker: Dockerd

test.before(async () => {
  scratch = await scratchDir('disk')
  docker = await startDockerd({ dir: join(scratch.dir, 'docker'), endWithParent: true, graceSeconds: 2, log })
})
test.after(async () => {
  await docker.stop()
  await scratch.remove()
})

/** As hard as a ship's container can be. */
const hardened = {
  ReadonlyRootfs: true,
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges'],
  PidsLimit: 32,
  Memory: 96 * 1024 ** 2,
  MemorySwap: 96 * 1024 ** 2,
}

async function launch(game: Game, hostPort: number, more: object = {}): Promise<string> {
  await buildQuickstartImage({ docker: docker.engine, game, cacheDir })
  const json = {
    Image: imageOf(game),
    Env: ['ARMADA_SHIP_ID=ship-1'],
    ExposedPorts: { [game.port]: {} },
    HostConfig: { ...hardened, PortBindings: { [game.port]: [{ HostPort: String(hostPort) }] }, ...more },
  }
  const created = JSON.parse(
    await tellEngine(docker.engine, { method: 'POST', path: '/containers/create', json }),
  )
  await tellEngine(docker.engine, { method: 'POST', path: `/containers/${created.Id}/start` })
  return created.Id
}

async function logsOf(id: string): Promise<string> {
  return await tellEngine(docker.engine, { path: `/containers/${id}/logs?stdout=true&stderr=true` })
}

async function untilLogged(id: string, text: string): Promise<void> {
  const endMs = performance.now() + 5_000
  while (!(await logsOf(id)).includes(text)) {
    assert.ok(performance.now() < endMs, `"${text}" within 5 s, instead of:\n${await logsOf(id)}`)
    await sleep(20)
  }
}

/** Returns the exit code and how long it took. */
async function stop(id: string): Promise<{ exitCode: number; tookMs: number }> {
  const startedMs = performance.now()
  await tellEngine(docker.engine, { method: 'POST', path: `/containers/${id}/stop?t=5` })
  const tookMs = performance.now() - startedMs
  const { State } = JSON.parse(await tellEngine(docker.engine, { path: `/containers/${id}/json` }))
  return { exitCode: State.ExitCode, tookMs }
}

/** What a server browser would show. */
interface Shown {
  name?: string
  map?: string
  numplayers?: number
  maxplayers?: number | string
}

async function query(host: string, port: number, limitMs: number): Promise<Shown> {
  const endMs = performance.now() + limitMs
  for (;;) {
    try {
      const asked = { type: 'openarena', host, port, givenPortOnly: true, socketTimeout: 300 }
      return (await GameDig.query(asked)) as Shown
    } catch (error) {
      if (performance.now() > endMs) throw error
      await sleep(50)
    }
  }
}

function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.find((address) => address.family === 'IPv4' && !address.internal)?.address ?? '127.0.0.1'
}

test('an image is built once', async () => {
  const options = { docker: docker.engine, game: openArena, cacheDir }
  const first = await buildQuickstartImage(options)
  assert.equal(first, { image: imageOf(openArena), built: true })
  assert.equal(await buildQuickstartImage(options), { image: imageOf(openArena), built: false })
})

test('OpenArena answers a query by host address and loopback, and ends on SIGTERM', async () => {
  const id = await launch(openArena, 19760)
  for (const host of ['127.0.0.1', ownAddress()]) {
    const state = await query(host, 19760, 3_000)
    assert.is(state.name, 'Armada ship-1')
    assert.is(state.map, 'am_underworks')
    assert.is(Number(state.maxplayers), 16)
    assert.is(state.numplayers, 0)
  }
  const { exitCode, tookMs } = await stop(id)
  // OpenArena shuts down in good order, and says 1.
  assert.is(exitCode, 1)
  assert.ok(tookMs < 2_000, `${tookMs} ms`)
  assert.match(await logsOf(id), /Server Shutdown/)
})

test('OpenArena takes its port, map and slots from the environment', async () => {
  await buildQuickstartImage({ docker: docker.engine, game: openArena, cacheDir })
  const json = {
    Image: imageOf(openArena),
    Env: ['GAME_PORT=19761', 'GAME_MAP=ps9ctf', 'GAME_SLOTS=4', 'GAME_NAME=mine'],
    HostConfig: { ...hardened, NetworkMode: 'host' },
  }
  const created = JSON.parse(
    await tellEngine(docker.engine, { method: 'POST', path: '/containers/create', json }),
  )
  await tellEngine(docker.engine, { method: 'POST', path: `/containers/${created.Id}/start` })
  const state = await query('127.0.0.1', 19761, 3_000)
  assert.equal([state.name, state.map, Number(state.maxplayers)], ['mine', 'ps9ctf', 4])
  await stop(created.Id)
})

test('Teeworlds says when it is ready and ends on SIGTERM, with an init process or without', async () => {
  for (const Init of [false, true]) {
    const id = await launch(teeworlds, 19762, { Init })
    await untilLogged(id, '[server]: version')
    const { exitCode, tookMs } = await stop(id)
    assert.is(exitCode, 0)
    assert.ok(tookMs < 2_000, `${tookMs} ms`)
  }
})

test('the idle image waits and ends at once', async () => {
  const id = await launch(idle, 19763)
  await untilLogged(id, 'ready')
  assert.is((await stop(id)).exitCode, 0)
})

test('nothing but the server, its libraries, its data and a shell is in an image', async () => {
  const { Size, Config } = JSON.parse(
    await tellEngine(docker.engine, { path: `/images/${encodeURIComponent(imageOf(openArena))}/json` }),
  )
  assert.ok(Size < 20_000_000, `${Size} bytes`)
  assert.is(Config.User, '1000:1000')
})

test('the example blueprint names the image that is built', () => {
  const { image, ports } = BlueprintSpec.parse(blueprint)
  assert.is(image, imageOf(openArena))
  assert.is(`${ports[0]?.containerPort}/${ports[0]?.protocol}`, openArena.port)
})

test.run()
