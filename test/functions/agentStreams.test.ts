// What an agent is told through its stream, and that any ApiServer's answer to the hello then shows it.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf, connect } from '../../shared/api/client.ts'
import { eventStream } from '../../shared/api/eventStream.ts'
import { adminToken } from '../harness/apiServer.ts'
import {
  claim,
  describeHost,
  joinHost,
  publish,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('streams of agents')
const over = new AbortController()
let two: TwoServers

test.before(async () => {
  two = await startTwoServers()
})
test.after(async () => {
  over.abort()
  await two?.stop()
})

test('a ship is to be stopped: the event names the revision that says so, and hello waits for it', async () => {
  const { client, credential } = await joinHost(two.a, 'north')
  await publish(two.a, 'arena', { ports: [] })
  const made = two.a.admin.v1.ships.$post({ json: { blueprint: 'arena' }, header: {} })
  const ship = (await answerOf(made)).ships[0]?.id as string
  await claim(client, [{ ship, attempt: 1 }])
  const told: number[] = []
  let opened = false
  const listen = async () => {
    const at = { url: `${two.b.url}/v1/monitor/stream`, token: credential, signal: over.signal }
    for await (const { event, data } of eventStream(at)) {
      opened = true
      if (event === 'resync') told.push(Number(data))
    }
  }
  void listen().catch(() => undefined)
  await until(() => opened)

  const written = { revision: 0 }
  const admin = connect({ url: two.a.url, token: adminToken, session: written })
  await answerOf(admin.v1.ships[':ship'].$delete({ param: { ship }, header: {} }))
  await until(() => told.some((revision) => revision >= written.revision))
  const session = { revision: Math.max(...told) }
  const agent = connect({ url: two.a.url, token: credential, session })
  const json = { host: describeHost('north'), ships: [{ ship, attempt: 1 }] }
  const { wanted } = await answerOf(agent.v1.monitor.hello.$post({ json }))
  assert.deepEqual(
    wanted.map(({ state }) => state),
    ['Stopping'],
  )
})

test.run()
