// The commands of the CLI, as people give them: what they print, and what they say to words that mean nothing.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import type { Options } from '../../../infra/cli/command.ts'
import { commands } from '../../../infra/cli/commands.ts'
import { sinceTime } from '../../../infra/cli/since.ts'
import { answerOf } from '../../../shared/api/client.ts'
import { adminToken } from '../../harness/apiServer.ts'
import {
  boardShips,
  joinHost,
  publish,
  refused,
  report,
  startTwoServers,
  type TwoServers,
} from '../../harness/twoServers.ts'
import { until } from '../../harness/until.ts'

const test = suite('commands')
let servers: TwoServers

test.before(async () => {
  servers = await startTwoServers()
})
test.after(() => servers?.stop())

async function run(name: keyof typeof commands, args: string[], options: Options = {}): Promise<string> {
  const { url, admin } = servers.a
  const signal = new AbortController().signal
  const terminal = { url, token: adminToken, signal, print: () => undefined }
  return (await commands[name]?.run(admin, args, options, terminal))?.text ?? ''
}

const cellsOf = (text: string) => text.split('\n').map((line) => line.trim().split(/\s{2,}/))

test('revisions of a blueprint: the list with what each changed, the difference of two, the way back', async () => {
  await publish(servers.a, 'arena')
  await publish(servers.a, 'arena', { image: 'game:2', labels: { mode: 'ctf' } })
  const [, second, first] = cellsOf(await run('revisions', ['arena']))
  assert.deepEqual([second?.[0], second?.[2], second?.[3]], ['2', 'game:2', '/image, /labels/mode'])
  assert.deepEqual([first?.[0], first?.[2], first?.[3]], ['1', 'game:1', undefined])
  assert.match(await run('diff', ['arena', '1']), /\/image\s+"game:1"\s+"game:2"/)
  assert.match(await run('rollback', ['arena', '1']), /revision 3/)
  assert.match(await run('diff', ['arena', '1', '3']), /are the same/)
})

test('a host that drains is told of at the end of its line, and the columns stay where they are', async () => {
  const { client } = await joinHost(servers.a, 'north')
  await joinHost(servers.a, 'south')
  const ids = await boardShips(servers.a, client, 2)
  const before = (await run('hosts', [])).split('\n')
  await run('drain', ['north'], { reason: 'a new disk', deadline: '600' })
  const [header, north, south] = (await run('hosts', [])).split('\n')
  assert.equal(header, before[0])
  assert.match(north ?? '', /Draining: 2 left, 0 in use, until \S{19}Z \(a new disk\)$/)
  assert.ok((north?.indexOf('Draining') ?? 0) < 90, north)
  assert.equal(south, before[2])
  assert.match(south ?? '', /Silent .* no report yet$/)
  const annotations = { 'armada.dev/done-by': '2099-01-01T20:15:00.000Z' }
  await servers.a.stores.ships.update(ids, (ship) => ({
    ...{ ...ship, state: 'Allocated' },
    ...(ship.id === ids[0] && { annotations }),
  }))
  assert.match(await run('hosts', []), /2 in use \(done by 2099-01-01T20:15:00Z, 1 unsaid\), until/)
})

test('what was measured of a ship is not told when it runs no more', async () => {
  const { a } = servers
  const { client } = await joinHost(a, 'west')
  const [ship = ''] = await boardShips(a, client, 1)
  const measured = { players: 7, maxPlayers: 16, map: 'arena', cpuMillis: 10, memoryMiB: 60 }
  const ships = [{ ship, ...measured }]
  await answerOf(
    client.v1.monitor.reports.$post({ json: { changes: [], holdings: null, host: null, ships } }),
  )
  await until(async () => /7\/16/.test(await run('ships', [], { where: `id=${ship}` })))
  const end = { state: 'Stopped', reason: 'it ended', exit: null } as const
  await report(client, { ship, attempt: 1, ...end })
  const [, row] = cellsOf(await run('ships', [], { where: `id=${ship}` }))
  assert.deepEqual(row, [ship, 'Stopped', '1', 'west', '-', '-', 'it ended'])
  const one = await answerOf(a.admin.v1.ships[':ship'].$get({ param: { ship } }))
  assert.equal(one.sample, null)
})

test('a time is how long ago, or when; anything else is told what to write', async () => {
  for (const [text, agoMs] of [
    ['90s', 90_000],
    ['10m', 600_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
  ] as const)
    assert.ok(Math.abs(Date.now() - agoMs - Date.parse(sinceTime(text))) < 60_000, text)
  assert.equal(sinceTime('2026-11-02T18:00:00+01:00'), '2026-11-02T17:00:00.000Z')
  for (const wrong of ['yesterday', '', '10', '10 m', '18:00', '2026-13-01T00:00:00Z', '2026-11-02T18:00:00'])
    assert.throws(() => sinceTime(wrong), /--since must be how long ago, such as 90s, 10m/, wrong)
  assert.match(await run('audit', ['5'], { since: '10m' }), /POST \/v1\/hosts\/north\/drain/)
  const query = { since: 'yesterday' }
  await refused(
    answerOf(servers.a.admin.v1.audit.$get({ query })),
    'invalid_request',
    /such as 2026-11-02T18/,
  )
})

test('a webhook that nothing could ever reach is refused, as is a letter that cannot be one', async () => {
  const url = 'http://127.0.0.1:9/x'
  for (const events of ['ship.foo', 'ship', 'fleet.ready', '', '*.*'])
    await refused(
      run('create-webhook', ['never', url], { events }),
      'invalid_request',
      /ship\.ready, .*fleet\.scaled/,
    )
  await run('create-webhook', ['some', url], { events: 'ship.ready,ship.refused,fleet.held,fleet.*' })
  await refused(run('redeliver', ['some', 'x']), 'invalid_request', /such as 4711-0.*armada dead-letters/)
})

test('a policy for a fleet: ordered, narrowed, shown, called off', async () => {
  const json = { name: 'scaled', blueprint: 'arena', replicas: 2 }
  await answerOf(servers.a.admin.v1.fleets.$post({ json }))
  assert.match(await run('autoscale', ['scaled']), /2 replicas, as people decide/)
  await assert.rejects(run('autoscale', ['scaled'], { buffer: '5' }), /Give --max/)
  await assert.rejects(run('autoscale', ['scaled'], { max: '5' }), /Which policy/)
  await assert.rejects(run('autoscale', ['scaled'], { counter: 'rooms', max: '5' }), /rooms=10/)
  await assert.rejects(run('autoscale', ['scaled'], { policy: 'no-such-file' }), /--policy takes a file/)
  await refused(run('autoscale', ['scaled'], { buffer: '100%', max: '5' }), 'invalid_request', /1%.*99%/)
  assert.match(await run('autoscale', ['scaled'], { counter: 'rooms=20%', max: '50' }), /by counter, 0 to 50/)
  assert.match(await run('autoscale', ['scaled'], { min: '3' }), /by counter, 3 to 50/)
  await refused(run('scale', ['scaled', '9']), 'conflict', /autoscaled \(counter, 3 to 50 ships\)/)
  assert.match(await run('autoscale', ['scaled'], { off: true }), /2 replicas, as people decide/)
})

test('a quota without a limit is refused, of fleets and of a token', async () => {
  const { admin } = servers.a
  const json = { fleets: ['lobby-*'] }
  const put = admin.v1.quotas[':quota'].$put({ param: { quota: 'none' }, header: {}, json })
  await refused(answerOf(put), 'invalid_request', /give ships, cpuMillis or memoryMiB/)
  const token = { name: 'free', role: 'viewer' as const, quota: {} }
  await refused(answerOf(admin.v1.tokens.$post({ json: token })), 'invalid_request', /bounds nothing/)
})

test('a host whose clock is off says so', async () => {
  const { client } = await joinHost(servers.a, 'late')
  const host = { cpuMillis: 1, memoryMiB: 1, load1: 0, diskFreeMiB: null, degraded: null }
  const lineOf = async (skewMs: number) => {
    const json = { changes: [], holdings: null, host, ships: [], sentAtEpochMs: Date.now() + skewMs }
    await answerOf(client.v1.monitor.reports.$post({ json }))
    return (await run('hosts', [])).split('\n').find((line) => line.includes(' late ')) ?? ''
  }
  assert.doesNotMatch(await lineOf(0), /clock/)
  assert.match(await lineOf(-60_000), /its clock is 60 s behind$/)
  assert.match(await lineOf(90_000), /its clock is 90 s ahead$/)
})

test('a drain says when its ships have nowhere to go', async () => {
  const { hosts } = await answerOf(servers.a.admin.v1.hosts.$get({ query: {} }))
  for (const { id } of hosts) await run('cordon', [id])
  const { client } = await joinHost(servers.a, 'last')
  await boardShips(servers.a, client, 1)
  assert.match(await run('drain', ['last']), /No other host takes ships now/)
  await run('uncordon', ['last'])
  const other = (await joinHost(servers.a, 'other')).client
  const host = { cpuMillis: 1, memoryMiB: 1, load1: 0, diskFreeMiB: null, degraded: null }
  await answerOf(other.v1.monitor.reports.$post({ json: { changes: [], holdings: null, host, ships: [] } }))
  assert.doesNotMatch(await run('drain', ['last']), /No other host/)
})

test.run()
