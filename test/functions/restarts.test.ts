// Ships that crash after they were Ready: queued again or Failed, as their blueprints say.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { notBeforeMs } from '../../functions/services/changes/backoff.ts'
import { crash } from '../../functions/services/changes/crash.ts'
import { requeue } from '../../functions/services/changes/lifecycle.ts'
import { answerOf, type Client } from '../../shared/api/client.ts'
import type { Restart } from '../../shared/model/lifecycle.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { demandOf } from '../../shared/model/ticket.ts'
import {
  claim,
  joinHost,
  publish,
  report,
  shipAt,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'

const test = suite('restarts')
let servers: TwoServers
let host: Client

test.before(async () => {
  servers = await startTwoServers()
  host = (await joinHost(servers.a, 'north')).client
})
test.after(() => servers?.stop())

const exit = {
  ...{ code: 139, oomKilled: false, logTail: ['segmentation fault'], at: new Date().toISOString() },
  sample: { players: 3, maxPlayers: 16, map: 'dust', cpuMillis: 800, memoryMiB: 400 },
}
const reason = 'it ended with exit code 139'

async function aboard(blueprint: string, restart: Partial<Restart>): Promise<string> {
  await publish(servers.a, blueprint, { ports: [], lifecycle: { restart } })
  const made = servers.a.admin.v1.ships.$post({ json: { blueprint }, header: {} })
  const ship = (await answerOf(made)).ships[0]?.id as string
  await boardAgain(ship, 1)
  return ship
}

async function boardAgain(ship: string, attempt: number): Promise<void> {
  await claim(host, [{ ship, attempt }])
  await report(host, { ship, attempt, state: 'Ready' })
}

test('by default a ship that crashes is Failed, and its record keeps the last lines and the last figures', async () => {
  const ship = await aboard('mortal', {})
  await report(host, { ship, attempt: 1, state: 'Failed', reason, exit })
  const failed = await shipAt(servers.b, ship)
  assert.equal(failed.state, 'Failed')
  assert.deepEqual(failed.exit, exit)
})

test('elsewhere: queued again with the next attempt, its host avoided, until it has crashed too often', async () => {
  const ship = await aboard('phoenix', { policy: 'elsewhere', most: 3 })
  for (const attempt of [1, 2]) {
    await report(host, { ship, attempt, state: 'Failed', reason, exit })
    const again = await shipAt(servers.b, ship)
    assert.deepEqual([again.state, again.attempt, again.crashes], ['Queued', attempt + 1, attempt])
    assert.deepEqual(again.avoidHosts, ['north'])
    assert.equal(again.reason, `Crash ${attempt} of 3, on north: ${reason}`)
    assert.deepEqual(again.exit, exit)
    await boardAgain(ship, attempt + 1)
    assert.deepEqual((await shipAt(servers.a, ship)).avoidHosts, [])
  }
  await report(host, { ship, attempt: 3, state: 'Failed', reason, exit })
  const failed = await shipAt(servers.b, ship)
  assert.equal(failed.state, 'Failed')
  assert.equal(failed.reason, `Gave up after 3 crashes in a row. The last one, on north: ${reason}`)
  // Said again, as after an answer that got lost, it changes nothing.
  await report(host, { ship, attempt: 1, state: 'Failed', reason, exit })
  assert.equal((await shipAt(servers.a, ship)).revision, failed.revision)
})

test('inPlace: it asks for its last host first; one that ends by itself with 0 is over', async () => {
  const ship = await aboard('lizard', { policy: 'inPlace' })
  await report(host, { ship, attempt: 1, state: 'Failed', reason, exit })
  const again = await shipAt(servers.b, ship)
  assert.deepEqual([again.state, again.home, again.avoidHosts], ['Queued', 'north', []])
  const { spec } = await answerOf(
    servers.a.admin.v1.blueprints[':blueprint'].$get({ param: { blueprint: 'lizard' }, query: {} }),
  )
  assert.deepEqual(demandOf(spec, null, again.home).home, { host: 'north', only: false })
  await boardAgain(ship, 2)
  assert.equal((await shipAt(servers.a, ship)).home, null)
  await report(host, { ship, attempt: 2, state: 'Stopped', reason: 'it ended by itself', exit: null })
  assert.equal((await shipAt(servers.a, ship)).state, 'Stopped')
})

test('one that is being stopped, or is stopped meanwhile, is not queued again', async () => {
  const ship = await aboard('stoic', { policy: 'elsewhere' })
  await answerOf(servers.a.admin.v1.ships[':ship'].$delete({ param: { ship }, header: {} }))
  await report(host, { ship, attempt: 1, state: 'Failed', reason, exit })
  assert.equal((await shipAt(servers.b, ship)).state, 'Stopped')
})

test('crashes in a row: each waits longer, and ten minutes of being well end the row', async () => {
  const id = await aboard('counter', { policy: 'elsewhere' })
  const { value } = (await servers.direct[0].stores.ships.read(id)) as { value: Ship }
  const restart = { policy: 'elsewhere', most: 5 } as const
  const waitOf = (crashes: number) => notBeforeMs({ failedStarts: 0, crashes }) - Date.now()
  assert.equal(notBeforeMs({ failedStarts: 0 }), 0)
  for (const [crashes, least] of [
    [1, 1_000],
    [2, 2_000],
    [4, 8_000],
    [40, 60_000],
  ] as const)
    assert.ok(waitOf(crashes) > least - 500 && waitOf(crashes) <= least, `${crashes}`)
  const after = (minutes: number, crashes: number): Ship => {
    const readyAt = new Date(Date.now() - minutes * 60_000).toISOString()
    return { ...value, state: 'Allocated', readyAt, crashes }
  }
  assert.equal(crash(after(9, 3), reason, null, restart)?.crashes, 4)
  assert.equal(crash(after(9, 4), reason, null, restart)?.state, 'Failed')
  assert.equal(crash(after(11, 4), reason, null, restart)?.crashes, 1)
  assert.equal(requeue(after(11, 4), 'agent', 'the host restarted')?.crashes, 0)
  assert.equal(requeue(after(1, 4), 'agent', 'the host restarted')?.crashes, 4)
  const lost: Ship = { ...after(1, 0), state: 'Lost' }
  assert.equal(crash(lost, reason, null, restart)?.state, 'Queued', 'its host came back and tells of a crash')
})

test.run()
