// The installer as a host meets it: the script of the archive joins, upgrades, goes back, and takes the agent away,
// beside a service manager that does what systemd does with its unit. Ships run on through all of it but a purge.
import { execFile, execFileSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { idle, imageOf } from '../../infra/quickstart/games.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import { answerOf } from '../../shared/api/client.ts'
import { Lifecycle } from '../../shared/model/lifecycle.ts'
import { Cluster, zookeeperSecret } from '../harness/cluster.ts'
import { type HostPorts, takeHostPorts } from '../harness/hostPorts.ts'
import { ServiceManager } from '../harness/serviceManager.ts'

const test = suite('installer')
const checkout = join(import.meta.dirname, '..', '..')
const hostId = 'north'
const fleet = 'lobby'
const replicas = 3
let cluster: Cluster
let scratch: Scratch
let systemd: ServiceManager
let ports: HostPorts
let archive: string

test.before(async () => {
  scratch = await scratchDir('disk')
  ;[cluster, systemd, ports] = await Promise.all([
    Cluster.start([idle]),
    ServiceManager.start(join(scratch.dir, 'machine')),
    takeHostPorts(),
  ])
  mkdirSync(join(systemd.root, 'etc'), { recursive: true })
  runsSystem('ID=debian')
  archive = unpack()
  const spec = {
    image: imageOf(idle),
    ports: [{ name: 'game', containerPort: 7777 }],
    resources: { cpuMillis: 10, memoryMiB: 16 },
  }
  const { v1 } = cluster.client
  const put = v1.blueprints[':blueprint'].$put
  await answerOf(put({ param: { blueprint: 'idle' }, json: spec }))
  // It does not listen to its console: the signal, after half of the grace, is what ends it.
  const slow = { ...spec, console: 'stdin' as const, lifecycle: { graceMs: 8_000, stopCommand: 'end' } }
  await answerOf(put({ param: { blueprint: 'slow' }, json: slow }))
  await answerOf(v1.fleets.$post({ json: { name: fleet, blueprint: 'idle', replicas } }))
})
test.after(async () => {
  await systemd?.close()
  await cluster?.stop()
  await scratch?.remove()
})

function unpack(): string {
  const packed = execFileSync(process.execPath, [join(checkout, 'infra', 'build.mjs'), '--agent'], {
    encoding: 'utf8',
  })
  const file = /^packed: (\S+)$/m.exec(packed)?.[1] ?? ''
  const folder = join(scratch.dir, 'archive')
  mkdirSync(folder)
  execFileSync('tar', ['-C', folder, '-xzf', join(checkout, file)])
  return join(folder, readdirSync(folder)[0] as string)
}

/** The archive as one of another version, with that done to its program. */
function another(version: string, change: (program: string) => string): string {
  const folder = join(scratch.dir, version)
  cpSync(archive, folder, { recursive: true })
  const file = join(folder, 'agent.mjs')
  const manifest = readFileSync(join(folder, 'package.json'), 'utf8')
  const { version: old } = JSON.parse(manifest)
  writeFileSync(join(folder, 'package.json'), manifest.replace(old, version))
  writeFileSync(file, change(readFileSync(file, 'utf8').replaceAll(`"${old}"`, `"${version}"`)))
  return folder
}

interface Run {
  code: number
  said: string
}

function run(folder: string, ...args: string[]): Promise<Run> {
  const env = {
    PATH: `${systemd.bin}:${process.env.PATH}`,
    ARMADA_INSTALL_ROOT: systemd.root,
  }
  return new Promise((resolve) => {
    execFile('sh', [join(folder, 'install-agent.sh'), ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, said: stdout + stderr }),
    )
  })
}

async function installNew(...args: string[]): Promise<Run> {
  const { token } = await answerOf(cluster.client.v1.hosts['join-tokens'].$post({ json: { host: hostId } }))
  const settings = {
    ARMADA_ZOOKEEPER_SECRET: zookeeperSecret,
    ARMADA_SESSION_MS: '4000',
    ARMADA_DOCKER: cluster.docker.engine.socketPath,
    ARMADA_SDK_PORTS: ports.sdk,
    ARMADA_STATE_DIR: at('srv/armada'),
    ARMADA_MEMORY_MIB: '4096',
    ARMADA_CPU_MILLIS: '16000',
    ARMADA_ON_STOP: 'return',
  }
  return run(
    archive,
    ...['--api', cluster.url, '--zookeeper', cluster.stack.zookeeper.address, '--token', token],
    ...['--host-id', hostId, '--address', '127.0.0.1', '--ports', ports.range],
    ...Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
    ...args,
  )
}

function runsSystem(release: string): void {
  writeFileSync(join(systemd.root, 'etc/os-release'), `${release}\n`)
}

const at = (path: string) => join(systemd.root, path)
const current = () => readlinkSync(at('opt/armada-agent/current'))
const containers = async () => (await cluster.containers()).map(({ Id }) => Id).sort()
const runsOn = (host = hostId) =>
  cluster.until(`${host} is Online`, 20_000, async () => {
    const now = await answerOf(cluster.client.v1.hosts[':host'].$get({ param: { host } }))
    return now.state === 'Online' && now
  })

test('systems that it was not tried on are refused, unless one insists', async () => {
  for (const [release, args, isTaken] of [
    ['ID=fedora\nID_LIKE="rhel centos"', [], false],
    ['ID=alpine', [], false],
    ['', [], false],
    ['ID=alpine', ['--any-system'], true],
    ['ID=ubuntu\nID_LIKE=debian', [], true],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"', [], true],
    ['ID="debian"', [], true],
  ] as const) {
    runsSystem(release)
    const { code, said } = await run(
      archive,
      ...args,
      '--set',
      `ARMADA_DOCKER=${cluster.docker.engine.socketPath}`,
    )
    assert.is(code, 1)
    assert.match(said, isTaken ? /A new host needs --api/ : /neither Debian nor Ubuntu.*--any-system/s)
  }
  assert.not(existsSync(at('etc/armada')), 'it wrote something')
})

test('it joins, the service runs, and ships come', async () => {
  const { code, said } = await installNew()
  assert.is(code, 0, said)
  assert.match(said, /The agent of north runs/)
  assert.ok(systemd.isActive && systemd.isEnabled)
  await runsOn()
  await cluster.fleetReady(fleet, replicas, 60_000)
  const mostSeconds = Number(systemd.setting('TimeoutStopSec'))
  assert.not(
    Lifecycle.shape.graceMs.safeParse((mostSeconds - 30) * 1_000).success,
    'ships may need longer to end',
  )
})

test('an upgrade touches no ship, though the settings say that a stop returns them', async () => {
  const [before, pid] = [await containers(), systemd.pid]
  const { code, said } = await run(another('99.0.0', (program) => program))
  assert.is(code, 0, said)
  assert.match(current(), /^99\.0\.0-/)
  assert.is.not(systemd.pid, pid)
  await cluster.until(
    'the newer agent has reported',
    20_000,
    async () => (await runsOn()).agentVersion === '99.0.0',
  )
  assert.equal(await containers(), before)
  for (const ship of await cluster.ships({ fleet })) assert.equal([ship.state, ship.attempt], ['Ready', 1])
})

test('a version that does not stay up gives way to the one before, and says why', async () => {
  const before = await containers()
  const broken = another(
    '99.0.1',
    (program) => `console.error('it lacks a screw'); process.exit(1)\n${program}`,
  )
  const { code, said } = await run(broken)
  assert.is(code, 1)
  assert.match(said, /did not stay up; the one of before \(99\.0\.0-\d+\) runs again.*it lacks a screw/s)
  assert.match(current(), /^99\.0\.0-/)
  assert.not(readdirSync(at('opt/armada-agent')).some((name) => name.startsWith('99.0.1')))
  await cluster.until('the service runs', 10_000, async () => systemd.isActive)
  await runsOn()
  assert.equal(await containers(), before)
})

test('uninstalled and installed again: ships run on, settings and credential stay', async () => {
  const before = await containers()
  const { code, said } = await run(archive, '--uninstall')
  assert.is(code, 0, said)
  assert.not(systemd.isActive || systemd.isEnabled)
  for (const gone of ['opt/armada-agent', 'etc/systemd/system/armada-agent.service'])
    assert.not(existsSync(at(gone)), gone)
  assert.equal(await containers(), before)
  assert.is((await run(archive)).code, 0)
  await runsOn()
  assert.equal(await containers(), before)
  for (const ship of await cluster.ships({ fleet })) assert.equal([ship.state, ship.attempt], ['Ready', 1])
})

test('a purge refuses while ships run that nobody can give back', async () => {
  const before = await containers()
  await systemd.crash()
  const { code, said } = await run(archive, '--uninstall', '--purge')
  assert.is(code, 1)
  for (const { id } of await cluster.ships({ fleet }))
    assert.ok(said.includes(id), `${said} does not name ${id}`)
  assert.match(said, /systemctl start armada-agent.*--force/s)
  assert.ok(existsSync(at('srv/armada/credential.json')) && existsSync(at('etc/armada/agent.env')))
  assert.equal(await containers(), before)
  await systemd.start()
  await runsOn()
})

test('a purge gives the ships back, waits for the last, says how many are left, and forgets the host', async () => {
  const { ships } = await answerOf(cluster.client.v1.ships.$post({ json: { blueprint: 'slow' }, header: {} }))
  const slow = ships[0]?.id as string
  const shipOf = async () => (await cluster.ships()).find(({ id }) => id === slow)
  await cluster.until('the slow one is Ready', 30_000, async () => (await shipOf())?.state === 'Ready')
  const { code, said } = await run(archive, '--uninstall', '--purge')
  assert.is(code, 0, said)
  assert.match(said, /\n {2}1 still run\n/)
  assert.equal(await containers(), [])
  assert.equal([(await shipOf())?.state, (await shipOf())?.attempt], ['Queued', 2])
  for (const gone of ['srv/armada', 'etc/armada/agent.env', 'opt/armada-agent'])
    assert.not(existsSync(at(gone)), gone)
  assert.not(systemd.isActive || systemd.isEnabled)
})

test('a purge that could not end all ships in time keeps the credential; --force does not, and names them', async () => {
  const { code, said } = await installNew()
  assert.is(code, 0, said)
  await cluster.fleetReady(fleet, replicas, 60_000)
  await cluster.until('the slow one runs', 30_000, async () => (await containers()).length === replicas + 1)
  const slow = (await cluster.ships()).find(({ blueprint }) => blueprint.name === 'slow')?.id as string
  systemd.longestStopMs = 2_000
  const refused = await run(archive, '--uninstall', '--purge')
  assert.is(refused.code, 1)
  assert.match(refused.said, new RegExp(`still run, and nothing was removed: ${slow}`))
  assert.ok(existsSync(at('srv/armada/credential.json')))
  appendFileSync(at('etc/armada/agent.env'), '# kept\n')
  const forced = await run(archive, '--uninstall', '--purge', '--force')
  assert.is(forced.code, 0, forced.said)
  assert.match(forced.said, new RegExp(`run on, with nobody who looks after them: ${slow}`))
  assert.not(existsSync(at('srv/armada')))
})

test.run()
