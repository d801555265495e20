// Ships that crash after they were Ready, stay Unhealthy or grow old: queued again, Failed or ended, as their blueprints say.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { notBeforeMs } from '../../functions/services/changes/backoff.ts'
import { crash } from '../../functions/services/changes/crash.ts'
import { requeue } from '../../functions/services/changes/lifecycle.ts'
import { mayBeMissing } from '../../functions/services/controllers/elders.ts'
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
import { until } from '../harness/until.ts'

const test = suite('lives')
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

test('a ship whose image is pulled says how far that is, and no more once it is Ready', async () => {
  await publish(servers.a, 'large', { ports: [] })
  const made = servers.a.admin.v1.ships.$post({ json: { blueprint: 'large' }, header: {} })
  const ship = (await answerOf(made)).ships[0]?.id as string
  await claim(host, [{ ship, attempt: 1 }])
  const before = await shipAt(servers.a, ship)
  const pulling = (percent: number) =>
    report(host, { ship, attempt: 1, state: 'Starting', reason: `pulling game:1, ${percent} % of 120 MiB` })
  await pulling(45)
  const during = await shipAt(servers.b, ship)
  assert.deepEqual(
    [during.state, during.stateSince, during.reason],
    ['Starting', before.stateSince, 'pulling game:1, 45 % of 120 MiB'],
  )
  // The same again changes nothing, nor does what comes late.
  await pulling(45)
  assert.equal((await shipAt(servers.a, ship)).revision, during.revision)
  await report(host, { ship, attempt: 1, state: 'Ready' })
  await pulling(50)
  const after = await shipAt(servers.b, ship)
  assert.deepEqual([after.state, after.reason], ['Ready', null])
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

test('a ship with a kept volume: home is the host that has claimed it last, and is told what is over there', async () => {
  const volumes = [{ name: 'world', path: '/data', keep: true }]
  const sail = async (blueprint: string, lifecycle: object) => {
    await publish(servers.a, blueprint, { ports: [], volumes, lifecycle })
    const made = servers.a.admin.v1.ships.$post({ json: { blueprint }, header: {} })
    const ship = (await answerOf(made)).ships[0]?.id as string
    await boardAgain(ship, 1)
    await report(host, { ship, attempt: 1, state: 'Failed', reason, exit })
    const got = { param: { blueprint }, query: {} }
    const { spec } = await answerOf(servers.a.admin.v1.blueprints[':blueprint'].$get(got))
    const { home, state } = await shipAt(servers.b, ship)
    return { ship, state, demand: demandOf(spec, null, home) }
  }
  const leftOver = (...ships: string[]) => answerOf(host.v1.monitor.leftovers.$post({ json: { ships } }))
  const loyal = await sail('loyal', { restart: { policy: 'elsewhere' } })
  assert.deepEqual([loyal.state, loyal.demand.home], ['Queued', { host: 'north', only: true }])
  const patient = await sail('patient', { restart: { policy: 'inPlace' }, hostLost: { policy: 'wait' } })
  assert.deepEqual([patient.demand.home, patient.demand.placement.host], [undefined, 'north'])
  const over = await sail('over', {})
  assert.deepEqual(await leftOver(loyal.ship, 'unknown', over.ship), { over: ['unknown', over.ship] })
  const south = (await joinHost(servers.a, 'south')).client
  await claim(south, [{ ship: loyal.ship, attempt: 2 }])
  assert.equal((await shipAt(servers.b, loyal.ship)).home, 'south')
  assert.deepEqual(await leftOver(loyal.ship), { over: [loyal.ship] })
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

test('a crash ends the allocation of the ship', async () => {
  const ship = await aboard('played', { policy: 'elsewhere' })
  const json = { selectors: [{ matchLabels: { only: ship } }] }
  const labels = { param: { ship }, json: { labels: { only: ship } }, header: {} }
  await answerOf(servers.a.admin.v1.ships[':ship'].$patch(labels))
  await answerOf(servers.a.admin.v1.allocations.$post({ json, header: {} }))
  assert.equal((await shipAt(servers.b, ship)).state, 'Allocated')
  await report(host, { ship, attempt: 1, state: 'Failed', reason, exit })
  const { state, allocations } = await shipAt(servers.b, ship)
  assert.deepEqual([state, allocations], ['Queued', []])
})

const watchlist = async () => {
  const hour = '3600000'
  const query = { queuedMs: hour, scheduledMs: hour, finishedMs: hour, limit: '500' }
  return answerOf(servers.a.runner.v1.controllers.watchlist.$get({ query }))
}

test('age: a tenth of a fleet at a time, the oldest first, never one in use; one that stands alone too', async () => {
  const { a } = servers
  await publish(a, 'mayfly', { ports: [], lifecycle: { maxAgeMs: 1_000 } })
  const alone = (await answerOf(a.admin.v1.ships.$post({ json: { blueprint: 'mayfly' }, header: {} })))
    .ships[0]
  await boardAgain(alone?.id as string, 1)
  const fleet = { name: 'flies', blueprint: 'mayfly', replicas: 22 }
  await answerOf(a.admin.v1.fleets.$post({ json: fleet }))
  const epoch = await a.lead('controllers')
  const { revision } = await answerOf(a.admin.v1.fleets[':fleet'].$get({ param: { fleet: 'flies' } }))
  const step = { epoch, revision, create: 22, stop: [], forget: false }
  const sent = { param: { fleet: 'flies' }, json: step }
  const { created } = await answerOf(a.runner.v1.fleets[':fleet'].steps.$post(sent))
  const [eldest, second, third] = created as [string, string, string]
  for (const some of [[eldest], [second], [third], created.slice(3)]) {
    await claim(
      host,
      some.map((ship) => ({ ship, attempt: 1 })),
    )
    await report(host, ...some.map((ship) => ({ ship, attempt: 1, state: 'Ready' as const })))
  }
  const allocation = { json: { selectors: [{ fleet: 'flies' }], count: 1 }, header: {} }
  const { allocations } = await answerOf(a.admin.v1.allocations.$post(allocation))
  const inUse = allocations[0]?.ship
  const expected = [eldest, second, third].filter((ship) => ship !== inUse).slice(0, 2)
  const aged = async () => (await watchlist()).aged.map(({ id }) => id)
  await until(async () => (await aged()).length === 3)
  assert.deepEqual(new Set(await aged()), new Set([alone?.id, ...expected]))
  const old = await aged()
  const end = (ship: string) => ({ ship, attempt: 1, to: 'Stopping' as const, reason: 'too old' })
  const decisions = [...old, inUse as string].map(end)
  const decide = () => answerOf(a.runner.v1.controllers.decisions.$post({ json: { epoch, decisions } }))
  assert.deepEqual(await decide(), { moved: old, stale: [inUse] })
  assert.deepEqual(await decide(), { moved: [], stale: [...old, inUse] })
  const stopping = await shipAt(a, eldest === inUse ? second : eldest)
  assert.deepEqual([stopping.state, stopping.reason], ['Stopping', 'too old'])
  assert.deepEqual(await aged(), [], 'the next ones go when these have been replaced')
})

const unwellIds = async () => (await watchlist()).unwell.map(({ id }) => id)

/** As the controllers do with what the list shows. */
async function giveUpUnwell(ship: string, attempt = 1): Promise<string[]> {
  const epoch = await servers.a.lead('controllers')
  const decisions = [{ ship, attempt, to: 'Stopping' as const, reason: 'Unhealthy for too long' }]
  const { moved } = await answerOf(
    servers.a.runner.v1.controllers.decisions.$post({ json: { epoch, decisions } }),
  )
  return moved
}

test('a ship that its host cannot end says so beside why it is to end, and that it does no more when it has', async () => {
  const why = 'Unhealthy for too long: no answer'
  const held = (attempt: number, trouble: string) =>
    report(host, { ship, attempt, state: 'Stopping', reason: `Docker on north does not end it: ${trouble}` })
  const ship = await aboard('held', { policy: 'elsewhere', most: 5 })
  await held(1, 'too early')
  assert.equal((await shipAt(servers.a, ship)).state, 'Ready')
  await report(host, { ship, attempt: 1, state: 'Unhealthy', reason: 'no answer' })
  await giveUpUnwell(ship)
  const before = await shipAt(servers.a, ship)
  await held(1, 'busy')
  await held(1, 'no answer within 10000 ms')
  const during = await shipAt(servers.b, ship)
  assert.deepEqual([during.state, during.stateSince], ['Stopping', before.stateSince])
  const trouble = 'Docker on north does not end it: no answer within 10000 ms'
  assert.equal(during.reason, `${why}; not ended yet: ${trouble}`)
  await report(host, { ship, attempt: 1, state: 'Stopped', reason: 'stopped', exit })
  assert.equal((await shipAt(servers.a, ship)).reason, `Crash 1 of 5, on north: ${why}`)
})

test('a ship that stays Unhealthy is ended, and that is a crash: tried again, or Failed', async () => {
  const { a } = servers
  const lifecycle = { unhealthy: { afterMs: 1_000 } }
  await publish(a, 'hangs', {
    ports: [],
    lifecycle: { ...lifecycle, restart: { policy: 'elsewhere', most: 2 } },
  })
  const made = await answerOf(a.admin.v1.ships.$post({ json: { blueprint: 'hangs' }, header: {} }))
  const ship = made.ships[0]?.id as string
  const why = '3 probes in a row failed: no answer'
  const sick = { ship, state: 'Unhealthy' as const, reason: why }
  const gone = { ship, state: 'Stopped' as const, reason: 'stopped', exit: { ...exit, code: 137 } }

  await boardAgain(ship, 1)
  await report(host, { ...sick, attempt: 1 })
  assert.deepEqual(await unwellIds(), [], 'not at once')
  await until(async () => (await unwellIds()).includes(ship))
  await report(host, { ship, attempt: 1, state: 'Ready' })
  assert.deepEqual(await unwellIds(), [], 'it is well again')
  await report(host, { ...sick, attempt: 1 })
  assert.deepEqual(await giveUpUnwell(ship), [ship])
  assert.deepEqual(await giveUpUnwell(ship), [])
  assert.equal((await shipAt(a, ship)).reason, `Unhealthy for too long: ${why}`)
  await report(host, { ...gone, attempt: 1 })
  const again = await shipAt(a, ship)
  assert.deepEqual([again.state, again.attempt, again.crashes], ['Queued', 2, 1])
  assert.equal(again.reason, `Crash 1 of 2, on north: Unhealthy for too long: ${why}`)

  await boardAgain(ship, 2)
  await report(host, { ...sick, attempt: 2 })
  await giveUpUnwell(ship, 2)
  await report(host, { ...gone, attempt: 2 })
  const failed = await shipAt(a, ship)
  assert.deepEqual([failed.state, failed.exit?.code], ['Failed', 137])
  assert.match(failed.reason ?? '', /Gave up after 2 crashes in a row.*no answer/)
})

test('somebody stops a ship that is being given up: then it is Stopped, and not tried again', async () => {
  const ship = await aboard('stubborn', { policy: 'elsewhere', most: 5 })
  await report(host, { ship, attempt: 1, state: 'Unhealthy', reason: 'no answer' })
  await giveUpUnwell(ship)
  await answerOf(servers.a.admin.v1.ships[':ship'].$delete({ param: { ship }, header: {} }))
  await report(host, { ship, attempt: 1, state: 'Stopped', reason: 'stopped', exit })
  assert.equal((await shipAt(servers.a, ship)).state, 'Stopped')
})

test('whoever may still have players is spared, unless the blueprint says otherwise', async () => {
  const { a } = servers
  const hold = async (blueprint: string, unhealthy: object) => {
    await publish(a, blueprint, { ports: [], labels: { of: blueprint }, lifecycle: { unhealthy } })
    const made = await answerOf(a.admin.v1.ships.$post({ json: { blueprint }, header: {} }))
    const ship = made.ships[0]?.id as string
    await boardAgain(ship, 1)
    const json = { selectors: [{ matchLabels: { of: blueprint } }] }
    await answerOf(a.admin.v1.allocations.$post({ json, header: {} }))
    await report(host, { ship, attempt: 1, state: 'Unhealthy', reason: 'no answer' })
    return ship
  }
  const [kept, ended, waits] = [
    await hold('kept', { afterMs: 1_000 }),
    await hold('ended', { policy: 'end', afterMs: 1_000 }),
    await hold('waits', { policy: 'wait', afterMs: 1_000 }),
  ]
  await until(async () => (await unwellIds()).includes(ended))
  const listed = await unwellIds()
  assert.ok(!listed.includes(kept) && !listed.includes(waits))
})

test('of a fleet that is Unhealthy as a whole a tenth is given up at a time, and replaced by the fleet', async () => {
  const { a } = servers
  await publish(a, 'sick', {
    ...{ ports: [], lifecycle: { unhealthy: { afterMs: 1_000 }, restart: { policy: 'elsewhere', most: 5 } } },
  })
  await answerOf(a.admin.v1.fleets.$post({ json: { name: 'sick', blueprint: 'sick', replicas: 20 } }))
  const epoch = await a.lead('controllers')
  const { revision } = await answerOf(a.admin.v1.fleets[':fleet'].$get({ param: { fleet: 'sick' } }))
  const step = { epoch, revision, create: 20, stop: [], forget: false }
  const { created } = await answerOf(
    a.runner.v1.fleets[':fleet'].steps.$post({ param: { fleet: 'sick' }, json: step }),
  )
  const all = created.map((ship) => ({ ship, attempt: 1 }))
  await claim(host, all)
  await report(host, ...all.map((of) => ({ ...of, state: 'Ready' as const })))
  await report(host, ...all.map((of) => ({ ...of, state: 'Unhealthy' as const, reason: 'no answer' })))
  const mine = async () => (await unwellIds()).filter((id) => created.includes(id))
  await until(async () => (await mine()).length === 2)
  const [first = ''] = await mine()
  await giveUpUnwell(first)
  assert.deepEqual(await mine(), [], 'of 19 there is one missing')
  await report(host, { ship: first, attempt: 1, state: 'Stopped', reason: 'stopped', exit })
  assert.equal((await shipAt(a, first)).state, 'Failed', 'its fleet makes another one')
  assert.equal((await mine()).length, 1)
})

test('how many of a fleet may be missing for age', () => {
  assert.equal(mayBeMissing({ Ready: 3 }), 1)
  assert.equal(mayBeMissing({ Ready: 30, Allocated: 10 }), 4)
  assert.equal(mayBeMissing({ Ready: 30, Allocated: 10, Starting: 3, Stopping: 2 }), -1)
})

test.run()
