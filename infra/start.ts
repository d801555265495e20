// `npm start`: the whole of Armada on one machine, with a fleet of real gameservers on it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { answerOf, type Client, connect } from '../shared/api/client.ts'
import { messageOf } from '../shared/errors.ts'
import { createLog, type Log } from '../shared/log.ts'
import { sleep } from '../shared/loop.ts'
import type { ShipView } from '../shared/model/ship.ts'
import { startAgent, startApi, startRunner } from './processes.ts'
import { buildQuickstartImage } from './quickstart/image.ts'
import { askGame, type GameAnswer } from './quickstart/query.ts'
import { Screen, table } from './screen.ts'
import { secretsOf } from './secrets.ts'
import { claimFolder } from './stack/claim.ts'
import { openDocker } from './stack/docker.ts'
import { livingMark } from './stack/leftover.ts'
import { keptPorts } from './stack/port.ts'
import type { Server } from './stack/server.ts'
import { startStack } from './stack/stack.ts'
import { localHostId, stackIdOf } from './stack/stackId.ts'

const fleetName = 'arena'
const replicas = 3
const readyLimitMs = 180_000

const root = join(import.meta.dirname, '..')
const state = join(root, '.armada')
const dist = join(root, 'dist')

interface Start {
  log: Log
  screen: Screen
  stopping: AbortSignal
  /** Remembers what was started; it is stopped in the opposite order. */
  keep<T extends { stop(): Promise<void> }>(server: Promise<T>): Promise<T>
}

async function main(stopping: AbortSignal): Promise<void> {
  const release = claimFolder(state)
  const log = createLog('start', 'info', join(state, 'start.log'))
  const screen = new Screen()
  const running: { stop(): Promise<void> }[] = []
  const keep: Start['keep'] = async (server) => {
    const up = await server
    running.push(up)
    return up
  }
  try {
    await bringUp({ log, screen, stopping, keep })
    if (!stopping.aborted)
      await new Promise((resolve) => stopping.addEventListener('abort', resolve, { once: true }))
  } finally {
    process.stdout.write('\n')
    screen.waiting('stopping; the ships come again at the next `npm start`')
    for (const server of running.reverse()) {
      await server.stop().catch((error) => log.error({ error: messageOf(error) }, 'it could not be stopped'))
    }
    screen.done('everything is stopped')
    release()
  }
}

async function bringUp({ log, screen, stopping, keep }: Start): Promise<void> {
  const secrets = secretsOf(state)
  const hostId = localHostId(stackIdOf(state))

  const {
    ARMADA_ZOOKEEPER: zookeeper,
    ARMADA_ETCD: etcd,
    ARMADA_REDIS: redis,
    DOCKER_HOST: dockerHost,
  } = process.env
  screen.waiting('starting ZooKeeper, etcd, Redis and Docker')
  const [stack, docker] = await Promise.all([
    keep(startStack({ dir: state, profile: 'durable', addresses: { zookeeper, etcd, redis }, log })),
    keep(openDocker({ dir: join(state, 'docker'), dockerHost, log })),
  ])
  screen.done(
    `ZooKeeper, etcd and Redis answer; ${docker.ours ? 'so does a Docker engine of our own' : `Docker is at ${docker.address}`}`,
  )
  if (stopping.aborted) return

  const { port } = await keptPorts(join(state, 'api'), ['port'], livingMark(join(state, 'api')) !== undefined)
  const api = `http://127.0.0.1:${port}`
  const shared = { zookeeper: stack.zookeeper.address, zookeeperSecret: secrets.zookeeperSecret }
  const { adminToken, runnerToken } = secrets
  const launch = { dir: state, dist, revive: true, log }
  const [{ image, built }] = await Promise.all([
    buildQuickstartImage({ docker: docker.engine, cacheDir: join(state, 'cache'), progress: screen.waiting }),
    keep(
      startApi(
        {
          ...shared,
          listenPort: port,
          etcd: stack.etcd.address,
          redis: stack.redis.address,
          adminToken,
          runnerToken,
        },
        launch,
      ),
    ),
  ])
  screen.done(`the ApiServer answers at ${api}${built ? `, and the image ${image} is built` : ''}`)
  if (stopping.aborted) return

  const client = connect({ url: api, token: adminToken })
  writeFileSync(join(state, 'cli.json'), JSON.stringify({ api, token: adminToken }), { mode: 0o600 })
  await Promise.all([
    keep(startRunner('scheduler', { ...shared, api, runnerToken }, launch)),
    keep(startRunner('controllers', { ...shared, api, runnerToken }, launch)),
    keep(startHost({ ...shared, api, hostId, engine: docker.address }, client, adminToken, log)),
  ])
  screen.done('the scheduler, the controllers and an agent run')
  if (stopping.aborted) return

  await publish(client, screen)
  const answers = await waitForFleet(client, screen, stopping)
  if (!answers) return
  screen.done(`${answers.length} gameservers answer their game's query\n`)
  show(answers, api)
}

interface HostOptions {
  zookeeper: string
  zookeeperSecret: string
  api: string
  hostId: string
  /** As a value of DOCKER_HOST. */
  engine: string
}

async function startHost(
  { engine, ...settings }: HostOptions,
  client: Client,
  adminToken: string,
  log: Log,
): Promise<Server> {
  const stateDir = join(state, 'host')
  const { token } = await answerOf(client.v1.hosts['join-tokens'].$post({ json: { host: settings.hostId } }))
  return startAgent(
    {
      ...settings,
      stateDir,
      joinToken: token,
      docker: engine.replace(/^unix:\/\//, ''),
      hostAddress: '127.0.0.1',
      onStop: 'return',
    },
    adminToken,
    { dir: state, dist, revive: true, graceMs: 40_000, log },
  )
}

async function publish(client: Client, screen: Screen): Promise<void> {
  const { name, ...spec } = JSON.parse(
    readFileSync(join(root, 'infra', 'quickstart', 'blueprint.json'), 'utf8'),
  )
  const blueprint = await answerOf(
    client.v1.blueprints[':blueprint'].$put({ param: { blueprint: name }, json: spec }),
  )
  const { fleets } = await answerOf(client.v1.fleets.$get())
  if (fleets.some((fleet) => fleet.name === fleetName)) return
  await answerOf(client.v1.fleets.$post({ json: { name: fleetName, blueprint: blueprint.name, replicas } }))
  screen.done(
    `the blueprint ${blueprint.name} is published, and a fleet "${fleetName}" of ${replicas} is wanted`,
  )
}

/** Resolves when every ship of the fleet answers its game's query. */
async function waitForFleet(
  client: Client,
  screen: Screen,
  stopping: AbortSignal,
): Promise<[ShipView, GameAnswer][] | undefined> {
  const limit = performance.now() + readyLimitMs
  while (!stopping.aborted) {
    const fleet = await answerOf(client.v1.fleets[':fleet'].$get({ param: { fleet: fleetName } }))
    const ready = await answerOf(
      client.v1.ships.$get({ query: { fleet: fleetName, state: 'Ready,Reserved,Allocated' } }),
    )
    const answers = await Promise.all(ready.ships.map(async (ship) => [ship, await askGame(ship)] as const))
    const alive = answers.filter((pair): pair is [ShipView, GameAnswer] => pair[1] !== undefined)
    if (alive.length >= fleet.replicas) return alive
    const states = Object.entries(fleet.ships).map(([name, count]) => `${count} ${name}`)
    screen.waiting(
      `${alive.length} of ${fleet.replicas} gameservers answer (${states.join(', ') || 'none yet'})${fleet.message ? `: ${fleet.message}` : ''}`,
    )
    if (performance.now() > limit) {
      throw new Error(
        `Only ${alive.length} of ${fleet.replicas} gameservers answer after ${readyLimitMs / 1_000} s. ${fleet.message ?? ''}\nLook into ${state}/*/*.log, and at \`npm run armada -- ships\`.`,
      )
    }
    await sleep(250, stopping)
  }
  return undefined
}

function show(answers: readonly [ShipView, GameAnswer][], api: string): void {
  const rows = answers.map(([ship, game]) => {
    const port = ship.ports.find((one) => one.hostPort !== null)?.hostPort
    return [ship.id, ship.state, `${ship.address}:${port}`, `${game.players}/${game.maxPlayers}`, game.map]
  })
  process.stdout.write(`${table(['SHIP', 'STATE', 'ADDRESS', 'PLAYERS', 'MAP'], rows)}\n
  Try, in another terminal:
    npm run armada -- ships                     look at the ships
    npm run armada -- scale ${fleetName} 5             keep five of them
    npm run armada -- stop <ship>               the fleet replaces it
    npm run armada -- help                      all commands
  The API is at ${api}/v1, its manual at ${api}/docs; the admin token is in .armada/secrets.json.
  Ctrl-C stops everything; the next \`npm start\` resumes with the same ships. \`npm run reset\` wipes.
`)
}

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort())
main(stopping.signal).then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`\nArmada did not start: ${messageOf(error)}\n`)
    process.exit(1)
  },
)
