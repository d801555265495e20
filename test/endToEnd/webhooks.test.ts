// Webhooks on the real stream of events, delivered by two real processes of which the leading one is killed.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { Webhook as Verifier } from 'standardwebhooks'
import { suite } from 'uvu'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import type { ArmadaEvent } from '../../shared/model/event.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { runnerToken } from '../harness/apiServer.ts'
import { Receiver } from '../harness/receiver.ts'
import { boardShips, joinHost, publish, startTwoServers, type TwoServers } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('webhooks end to end')
const children: ChildProcess[] = []
let servers: TwoServers
let zk: ZooKeeper
let host: Client
let receiver: Receiver

function startControllers(api: string): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', 'functions/runners/run.ts', 'controllers'], {
    env: {
      PATH: process.env.PATH ?? '',
      ARMADA_ZOOKEEPER: servers.stack.zookeeper.address,
      ARMADA_API: api,
      ARMADA_RUNNER_TOKEN: runnerToken,
      ARMADA_SESSION_MS: '2000',
      ARMADA_WEBHOOK_ALLOW: '127.0.0.0/8',
      ARMADA_LOG: process.env.ARMADA_LOG ?? 'error',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  children.push(child)
  return child
}

const candidates = async () => ((await zk.children(paths.controllersElection)) ?? []).length

async function eventsOf(ships: readonly string[]): Promise<ArmadaEvent[]> {
  const { events } = await answerOf(servers.a.admin.v1.events.$get({ query: { limit: '1000' } }))
  return (events as ArmadaEvent[]).filter(({ ship }) => ship !== null && ships.includes(ship))
}

test.before(async () => {
  servers = await startTwoServers()
  receiver = await Receiver.start()
  zk = await ZooKeeper.connect({ servers: servers.stack.zookeeper.address, log: createLog('test', 'silent') })
  await publish(servers.a, 'arena')
  host = (await joinHost(servers.a, 'north')).client
})

test.after(async () => {
  for (const child of children) child.kill('SIGKILL')
  await zk?.close()
  await receiver?.stop()
  await servers?.stop()
})

test('the leader is killed in mid-delivery: the next goes on from the cursor, and nothing is lost', async () => {
  const json = { name: 'hook', url: receiver.url, events: ['ship.*'] }
  const { secret } = await answerOf(servers.a.admin.v1.webhooks.$post({ json }))
  const first = startControllers(servers.a.url)
  await until(async () => (await candidates()) === 1, 30_000)
  startControllers(servers.b.url)
  await until(async () => (await candidates()) === 2, 30_000)

  const early = await boardShips(servers.a, host, 5)
  await until(async () => (await eventsOf(early)).every(({ id }) => receiver.ids.includes(id)), 30_000)

  // From now on answers take their time, so that the leader dies with deliveries in flight and others waiting.
  receiver.respond = async (_, response) => {
    await delay(200)
    response.writeHead(204).end()
  }
  const before = receiver.received.length
  const late = await boardShips(servers.b, host, 40)
  await until(() => receiver.received.length >= before + 20, 30_000)
  first.kill('SIGKILL')
  const killedAtMs = performance.now()
  const expected = await eventsOf([...early, ...late])
  assert.ok(expected.length >= 45 * 2, `${expected.length} events`)
  assert.ok(receiver.received.length < expected.length, 'there is something left to deliver')

  await until(() => expected.every(({ id }) => receiver.ids.includes(id)), 60_000)
  assert.ok(
    receiver.received.some(({ atMs }) => atMs > killedAtMs + 500),
    'the second leader delivered',
  )
  for (const ship of [...early, ...late]) {
    // Doubles of what the first leader had not reported yet are told again from there, in the same order.
    const seen = new Set<number>()
    for (const { event } of receiver.received.filter((one) => one.event.ship === ship)) {
      for (let number = 1; number < event.number; number++)
        assert.ok(seen.has(number), `${ship} ${event.number}`)
      seen.add(event.number)
    }
  }
  for (const { body, headers } of receiver.received) assert.ok(new Verifier(secret).verify(body, headers))
  const webhook = { param: { webhook: 'hook' } }
  await until(async () => {
    const { status } = await answerOf(servers.a.admin.v1.webhooks[':webhook'].$get(webhook))
    return status.pending === 0 && status.deadLetters === 0 && status.gaps === 0
  }, 60_000)
})

test.run()
