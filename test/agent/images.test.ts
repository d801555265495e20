// Images from a registry that asks who pulls: by tag and by digest, with the credentials of the host.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PullProgress } from '../../agent/docker/pullProgress.ts'
import { authFor, registryOf } from '../../agent/docker/registries.ts'
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

async function start(ship: string, image: string): Promise<void> {
  dock.monitor.place(host, ship, { image })
  await dock.sendJobs(host, [{ kind: 'start', ship, attempt: 1, ports: {} }])
}

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
  await start('exact', `${registry.address}/team/exact@${registry.digest}`)
  await dock.monitor.heard('exact', 'Ready', 30_000)
  const other = `sha256:${'0'.repeat(64)}`
  await start('other', `${registry.address}/team/exact@${other}`)
  const report = await dock.monitor.heard('other', 'Returned', 30_000)
  assert.ok(report.state === 'Returned' && report.fault)
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
  const progress = new PullProgress()
  assert.is(progress.percent, null)
  const down = (id: string, current: number, total: number) =>
    progress.note({ id, status: 'Downloading', progressDetail: { current, total } })
  down('a', 10, 100)
  down('b', 0, 100)
  assert.is(progress.percent, 5)
  progress.note({ id: 'a', status: 'Download complete' })
  progress.note({ status: 'Digest: sha256:0' })
  progress.note({ id: 'c', status: 'Already exists' })
  assert.is(progress.percent, 50)
  down('b', 100, 100)
  assert.is(progress.percent, 100)
})

test.run()
