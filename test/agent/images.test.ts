// Images from a registry that asks who pulls: by tag and by digest, with the credentials of the host.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PullProgress, pullText } from '../../agent/docker/pullProgress.ts'
import { authFor, registryOf } from '../../agent/docker/registries.ts'
import { until } from '../harness/until.ts'
import { type Dock, openDock } from './dock.ts'
import { type Registry, startRegistry } from './registry.ts'

const test = suite('agent: images')
const host = 'puller'
const dir = mkdtempSync(join(tmpdir(), 'armada-auth-'))
const file = join(dir, 'config.json')
let dock: Dock
let registry: Registry

test.before(async () => {
  registry = await startRegistry('robot', 'pass:word')
  dock = await openDock()
  write('wrong')
  await dock.startAgent(host, { ARMADA_REGISTRY_AUTH: file })
})
test.after(async () => {
  await dock.close()
  registry.close()
  rmSync(dir, { recursive: true, force: true })
})

function write(password: string): void {
  const auth = Buffer.from(`robot:${password}`).toString('base64')
  writeFileSync(file, JSON.stringify({ auths: { [registry.address]: { auth } }, credsStore: 'none' }))
  chmodSync(file, 0o600)
}

const start = (ship: string, image: string) => dock.sendShip(host, ship, { image })

test('wrong credentials are named as a cause; changed in the file, they count at the next pull', async () => {
  await start('stranger', `${registry.address}/team/game:1`)
  const report = await dock.monitor.heard('stranger', 'Returned', 30_000)
  const reason = report.state === 'Returned' ? report.reason : ''
  assert.match(reason, /cannot be pulled: .*; check the name, that the registry can be reached, and its cred/)
  assert.not.match(reason, /wrong/)
  assert.equal(registry.served, [])
  write('pass:word')
  await start('known', `${registry.address}/team/game:1`)
  await dock.monitor.heard('known', 'Ready', 30_000)
})

test('by digest: exactly that image', async () => {
  await start('exact', `${registry.address}/team/exact@${registry.digest('team/exact')}`)
  await dock.monitor.heard('exact', 'Ready', 30_000)
  const other = `sha256:${'0'.repeat(64)}`
  await start('other', `${registry.address}/team/exact@${other}`)
  const report = await dock.monitor.heard('other', 'Returned', 30_000)
  assert.ok(report.state === 'Returned' && report.fault)
})

test('while an image is pulled, the record says how far it is, and no oftener than it should', async () => {
  const slow = `${registry.address}/team/slow:1`
  registry.layerMs = 9_000
  await start('waits-1', slow)
  await start('waits-2', slow)
  for (const ship of ['waits-1', 'waits-2']) {
    await dock.monitor.heard(ship, 'Ready', 60_000)
    const told = dock.monitor.changes.filter(({ report }) => report.ship === ship)
    const reasons = told.map(({ report }) => (report.state === 'Starting' ? report.reason : report.state))
    assert.match(String(reasons[0]), new RegExp(`^pulling ${slow}(, \\d+ % of \\d MiB)?$`))
    assert.ok(
      reasons.some((reason) => / [1-9]\d? % of \d MiB$/.test(String(reason))),
      reasons.join(' | '),
    )
    assert.equal(reasons.at(-1), 'Ready')
    const lastMs = told.findLast(({ report }) => report.state === 'Starting')?.atMs ?? 0
    const most = 3 + Math.ceil((lastMs - (told[0]?.atMs ?? 0)) / 5_000)
    assert.ok(told.length <= most, `${told.length} reports`)
  }
  registry.layerMs = 0
})

test('a start that an agent before this one did not finish: what its record says of a pull is taken back', async () => {
  const { changes } = dock.monitor
  registry.layerMs = 5_000
  const spec = { image: `${registry.address}/team/resumed:1`, command: ['sleep', '1000'] }
  dock.monitor.place(host, 'resumed', spec).state = 'Starting'
  dock.monitor.resync()
  await dock.monitor.heard('resumed', 'Ready', 60_000)
  registry.layerMs = 0
  const [first] = changes.filter(({ report }) => report.ship === 'resumed')
  assert.equal(first?.report, { ship: 'resumed', attempt: 1, state: 'Starting', reason: null })
})

test('pulled ahead of ships: what became of it is told once, and how far it is with the measurements', async () => {
  const { orders, pulls, samples } = dock.monitor
  const ahead = `${registry.address}/team/ahead:1`
  registry.missing.add('team/none')
  registry.layerMs = 7_000
  orders.set(host, [
    { pull: 'good', image: ahead, limitMs: 60_000 },
    { pull: 'none', image: `${registry.address}/team/none:1`, limitMs: 60_000 },
  ])
  await until(() => pulls.length === 2, 60_000)
  registry.layerMs = 0
  const ended = (pull: string) => pulls.filter((end) => end.pull === pull)
  assert.equal([ended('good').length, ended('none').length], [1, 1])
  assert.is(ended('good')[0]?.state, 'Pulled')
  assert.is(ended('good')[0]?.reason, null)
  assert.is(ended('none')[0]?.state, 'Failed')
  assert.match(String(ended('none')[0]?.reason), /team\/none:1 is not on this host and cannot be pulled/)
  assert.ok(samples.some(({ sample }) => sample.pulls?.some(({ image }) => image === ahead)))
  await until(() => samples.at(-1)?.sample.imageNames?.includes(ahead) === true, 15_000)
  // Given again, it is answered again; another order for the same image finds it there.
  pulls.length = 0
  orders.set(host, [{ pull: 'again', image: ahead, limitMs: 60_000 }, ...(orders.get(host) ?? [])])
  const served = registry.served.length
  await until(() => pulls.length >= 3, 30_000)
  assert.is(ended('again')[0]?.state, 'Pulled')
  assert.is(ended('good')[0]?.state, 'Pulled')
  assert.is(registry.served.length, served)
  orders.clear()
})

test('a ship that joins a pull waits its own time, not what is left of an order that began it', async () => {
  const { orders, pulls } = dock.monitor
  const image = `${registry.address}/team/joined:1`
  registry.layerMs = 6_000
  pulls.length = 0
  orders.set(host, [{ pull: 'short', image, limitMs: 2_500 }])
  await until(() => registry.served.some((path) => path.includes('team/joined')), 30_000)
  await start('joins', image)
  await dock.monitor.heard('joins', 'Ready', 60_000)
  await until(() => pulls.length > 0, 30_000)
  assert.is(pulls[0]?.state, 'Failed')
  assert.match(String(pulls[0]?.reason), /not pulled within \d+ s/)
  registry.layerMs = 0
  orders.clear()
})

test('which registry an image is of, and what the file may hold', async () => {
  assert.is(registryOf('game'), 'docker.io')
  assert.is(registryOf('team/game:1'), 'docker.io')
  assert.is(registryOf('localhost/game'), 'localhost')
  assert.is(registryOf('r.example:5000/a/b@sha256:0'), 'r.example:5000')
  const auths = {
    'https://index.docker.io/v1/': { username: 'me', password: 'p' },
    'ghcr.example': { identitytoken: 't' },
    'helped.example': {},
  }
  writeFileSync(file, JSON.stringify({ auths }))
  const hub = 'https://index.docker.io/v1/'
  assert.equal(await authFor('team/game', file), { serveraddress: hub, username: 'me', password: 'p' })
  assert.equal(await authFor('ghcr.example/game', file), {
    serveraddress: 'ghcr.example',
    identitytoken: 't',
  })
  assert.is(await authFor('elsewhere.example/game', file), undefined)
  assert.is(await authFor('game', undefined), undefined)
  const fails = async (image: string, path: string) =>
    authFor(image, path).then(
      () => 'no error',
      (error: Error) => error.message,
    )
  assert.match(await fails('helped.example/game', file), /credential helpers are not asked/)
  assert.match(await fails('game', join(dir, 'none')), /cannot be read: ENOENT/)
  writeFileSync(file, '{"auths": {"secret": ')
  const wrong = await fails('game', file)
  assert.match(wrong, /does not have the format/)
  assert.not.match(wrong, /secret/)
})

test('how far a pull is', () => {
  const progress = new PullProgress('game:1')
  assert.equal(progress.state, { image: 'game:1', percent: null, totalMiB: null })
  assert.is(pullText(progress.state), 'pulling game:1')
  const down = (id: string, current: number, total: number) =>
    progress.note({ id, status: 'Downloading', progressDetail: { current, total } })
  const MiB = 1024 * 1024
  down('a', 10 * MiB, 100 * MiB)
  down('b', 0, 100 * MiB)
  assert.is(progress.state.percent, 5)
  progress.note({ id: 'a', status: 'Download complete' })
  progress.note({ status: 'Digest: sha256:0' })
  progress.note({ id: 'c', status: 'Already exists' })
  assert.is(pullText(progress.state), 'pulling game:1, 50 % of 200 MiB')
  down('b', 100 * MiB, 100 * MiB)
  assert.is(progress.state.percent, 100)
  // Nothing is said in the first second.
  assert.is(progress.told, null)
})

test.run()
