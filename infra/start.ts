// `npm start`: the whole of Armada on one machine, with a fleet of real gameservers on it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { allOf, answerOf, type Client, connect } from '../shared/api/client.ts'
import { messageOf } from '../shared/errors.ts'
import { createLog, type Log } from '../shared/log.ts'
import { sleep } from '../shared/loop.ts'
import type { ShipView } from '../shared/model/ship.ts'
import { environmentFor } from '../shared/settings.ts'
import { type Launch, startAgent, startApi, startRunner } from './processes.ts'
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

const blueprintName = 'openarena'
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
  const running: Promise<{ stop(): Promise<void> }>[] = []
  const keep: Start['keep'] = (server) => {
    running.push(server)
    return server
  }
  try {
    await bringUp({ log, screen, stopping, keep })
    if (!stopping.aborted)
      await new Promise((resolve) => stopping.addEventListener('abort', resolve, { once: true }))
  } finally {
    process.stdout.write('\n')
    screen.waiting('stopping; the ships come again at the next `npm start`')
    // Also what was still starting when something else failed.
    const started = await Promise.allSettled(running)
    for (const server of started.reverse()) {
      if (server.status === 'rejected') continue
      await server.value
        .stop()
        .catch((error) => log.error({ error: messageOf(error) }, 'it could not be stopped'))
    }
    screen.done('everything is stopped')
    release()
  }
}

async function bringUp({ log, screen, stopping, keep }: Start): Promise<void> {
  const onRevive = (told: string) => screen.done(told)
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
    keep(
      startStack({ dir: state, profile: 'durable', addresses: { zookeeper, etcd, redis }, onRevive, log }),
    ),
    keep(openDocker({ dir: join(state, 'docker'), dockerHost, onRevive, log })),
  ])
  screen.done(
    `ZooKeeper, etcd and Redis answer; ${docker.ours ? 'so does a Docker engine of our own' : `Docker is at ${docker.address}`}`,
  )
  if (stopping.aborted) return

  const { port } = await keptPorts(join(state, 'api'), ['port'], livingMark(join(state, 'api')) !== undefined)
  const api = `http://127.0.0.1:${port}`
  const shared = { zookeeper: stack.zookeeper.address, zookeeperSecret: secrets.zookeeperSecret }
  const { adminToken, runnerToken } = secrets
  const launch = { dir: state, dist, revive: onRevive, log }
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
  writeHostFile({ ...shared, api, engine: docker.address })
  writeFileSync(join(state, 'cli.json'), JSON.stringify({ api, token: adminToken }), { mode: 0o600 })
  await Promise.all([
    keep(startRunner('scheduler', { ...shared, api, runnerToken }, launch)),
    keep(startRunner('controllers', { ...shared, api, runnerToken }, launch)),
    keep(startHost({ ...shared, api, hostId, engine: docker.address }, client, adminToken, launch)),
  ])
  screen.done('the scheduler, the controllers and an agent run')
  if (stopping.aborted) return

  await publish(client, screen)
  const roll = await callRoll(client, screen, stopping)
  if (!roll) return
  screen.done(`${roll.answers.length} of ${roll.wanted} gameservers answer their game's query\n`)
  show(roll, api)
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
  launch: Launch,
): Promise<Server> {
  const stateDir = join(state, 'host')
  const joinToken = existsSync(join(stateDir, 'credential.json'))
    ? undefined
    : (await answerOf(client.v1.hosts['join-tokens'].$post({ json: { host: settings.hostId } }))).token
  return startAgent(
    {
      ...settings,
      stateDir,
      ...(joinToken && { joinToken }),
      docker: engine.replace(/^unix:\/\//, ''),
      hostAddress: '127.0.0.1',
      onStop: 'return',
    },
    adminToken,
    { ...launch, graceMs: 40_000 },
  )
}

/** The settings that a further agent on this machine shares with ours, for a shell to read. */
function writeHostFile({ api, zookeeper, zookeeperSecret, engine }: Omit<HostOptions, 'hostId'>): void {
  const docker = engine.replace(/^unix:\/\//, '')
  const environment = environmentFor('agent', { api, zookeeper, zookeeperSecret, docker })
  const lines = Object.entries(environment).map(([name, value]) => `${name}='${value}'\n`)
  writeFileSync(join(state, 'host.env'), lines.filter((line) => !line.endsWith("=''\n")).join(''), {
    mode: 0o600,
  })
}

/** The blueprint and the fleet of the first start; what people made of them since is left alone. */
async function publish(client: Client, screen: Screen): Promise<void> {
  const blueprints = await allOf(
    (page) => client.v1.blueprints.$get({ query: page }),
    ({ blueprints }) => blueprints,
  )
  if (!blueprints.some((blueprint) => blueprint.name === blueprintName)) {
    const json = JSON.parse(readFileSync(join(root, 'infra', 'quickstart', 'blueprint.json'), 'utf8'))
    await answerOf(client.v1.blueprints[':blueprint'].$put({ param: { blueprint: blueprintName }, json }))
    screen.done(`the blueprint ${blueprintName} is published`)
  }
  const fleets = await allOf(
    (page) => client.v1.fleets.$get({ query: page }),
    ({ fleets }) => fleets,
  )
  if (fleets.some((fleet) => fleet.name === fleetName)) return
  await answerOf(client.v1.fleets.$post({ json: { name: fleetName, blueprint: blueprintName, replicas } }))
  screen.done(`a fleet "${fleetName}" of ${replicas} is wanted`)
}

interface Roll {
  answers: [ShipView, GameAnswer][]
  wanted: number
  /** Why some are missing; null when all answer. */
  missing: string | null
}

/** Resolves when every ship of the fleet has answered its game's query, or when no more can be expected. */
async function callRoll(client: Client, screen: Screen, stopping: AbortSignal): Promise<Roll | undefined> {
  const limit = performance.now() + readyLimitMs
  const answers = new Map<string, [ShipView, GameAnswer]>()
  while (!stopping.aborted) {
    const {
      ships: states,
      replicas: wanted,
      message,
    } = await answerOf(client.v1.fleets[':fleet'].$get({ param: { fleet: fleetName } }))
    const query = { fleet: fleetName, state: 'Ready,Reserved,Allocated', limit: '1000' }
    const { ships } = await answerOf(client.v1.ships.$get({ query }))
    // A game that has answered is not asked again: OpenArena limits how often one address may ask.
    const silent = ships.filter((ship) => !answers.has(ship.id))
    await Promise.all(
      silent.map(async (ship) => {
        const answer = await askGame(ship)
        if (answer) answers.set(ship.id, [ship, answer])
      }),
    )
    const roll = { answers: [...answers.values()], wanted, missing: null }
    if (answers.size >= wanted) return roll
    const onTheWay = (states.Scheduled ?? 0) + (states.Starting ?? 0) + silent.length
    const counts = Object.entries(states).map(([name, count]) => `${count} ${name}`)
    const seen = `${answers.size} of ${wanted} gameservers answer (${counts.join(', ') || 'none yet'})`
    screen.waiting(message ? `${seen}: ${message}` : seen)
    const late = performance.now() > limit
    if (late || (message !== null && onTheWay === 0 && answers.size > 0)) {
      return {
        ...roll,
        missing: message ?? 'look at `npm run armada -- ships` and `npm run armada -- ship <ship>`',
      }
    }
    await sleep(1_000, stopping)
  }
  return undefined
}

function show({ answers, wanted, missing }: Roll, api: string): void {
  const rows = answers.map(([ship, game]) => {
    const port = ship.ports.find((one) => one.hostPort !== null)?.hostPort
    return [ship.id, ship.state, `${ship.address}:${port}`, `${game.players}/${game.maxPlayers}`, game.map]
  })
  process.stdout.write(`${table(['SHIP', 'STATE', 'ADDRESS', 'PLAYERS', 'MAP'], rows)}
${missing ? `\n  The other ${wanted - answers.length} wait: ${missing}\n` : ''}
  Try, in another terminal:
    npm run armada -- ships                     look at the ships
    npm run armada -- scale ${fleetName} 5             keep five of them
    npm run armada -- stop <ship>               the fleet replaces it
    npm run armada -- allocate ${fleetName}            take one for a match; \`return\` gives it back
    npm run armada -- help                      all commands
  The API is at ${api}/v1, its manual at ${api}/docs; the admin token is in .armada/secrets.json.
  Ctrl-C stops everything; the next \`npm start\` resumes with the same ships, on other ports.
  \`npm run reset\` wipes.
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
