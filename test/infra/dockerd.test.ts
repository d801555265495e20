// Our own Docker engine: published ports, networks, death without harm to containers, and leaving no trace.
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { idle } from '../../infra/quickstart/games.ts'
import { buildQuickstartImage } from '../../infra/quickstart/image.ts'
import { run } from '../../infra/stack/command.ts'
import { clearDockerd, type Dockerd, startDockerd } from '../../infra/stack/dockerd.ts'
import { type EngineAddress, tellEngine } from '../../infra/stack/engine.ts'
import { startTicksOf } from '../../infra/stack/leftover.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import { createLog } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'

const test = suite('dockerd')
const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const cacheDir = join(import.meta.dirname, '../../.armada/cache')
let scratch: Scratch
let docker: Dockerd

test.before(async () => {
  scratch = await scratchDir('disk')
  docker = await start('one')
})
test.after(async () => {
  await docker.stop()
  await scratch.remove()
})

async function start(name: string, iptables = false): Promise<Dockerd> {
  const dir = join(scratch.dir, name)
  const engine = await startDockerd({ dir, iptables, graceSeconds: 2, endWithParent: true, log })
  await buildQuickstartImage({ docker: engine.engine, game: idle, cacheDir })
  return engine
}

interface Inspected {
  Id: string
  State: { Pid: number; Running: boolean; ExitCode: number }
  NetworkSettings: { Networks: Record<string, { IPAddress: string }> }
}

async function runContainer(
  engine: EngineAddress,
  script: string,
  hostConfig: object = {},
): Promise<Inspected> {
  const json = {
    Image: 'armada/quickstart-idle:1',
    Entrypoint: ['/bin/sh', '-c', script],
    ExposedPorts: { '7777/tcp': {} },
    HostConfig: { Init: true, ...hostConfig },
  }
  const created = JSON.parse(await tellEngine(engine, { method: 'POST', path: '/containers/create', json }))
  await tellEngine(engine, { method: 'POST', path: `/containers/${created.Id}/start` })
  return await inspect(engine, created.Id)
}

function addressOf(container: Inspected): string {
  return container.NetworkSettings.Networks.bridge?.IPAddress ?? ''
}

async function inspect(engine: EngineAddress, id: string): Promise<Inspected> {
  return JSON.parse(await tellEngine(engine, { path: `/containers/${id}/json` })) as Inspected
}

/** What comes back when a line is sent; docker-proxy accepts connections even with nobody behind it. */
async function echoOf(host: string, port: number): Promise<string> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 }, () => socket.write('hello'))
    const finish = (answer: string): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('data', (data) => finish(String(data)))
    socket.once('timeout', () => finish('silence'))
    socket.once('error', (error) => finish(String(error)))
    socket.once('close', () => finish('closed'))
  })
}

async function untilEcho(host: string, port: number): Promise<void> {
  const endMs = performance.now() + 5_000
  let answer = await echoOf(host, port)
  while (answer !== 'hello' && performance.now() < endMs) {
    await sleep(50)
    answer = await echoOf(host, port)
  }
  assert.is(answer, 'hello', `${host}:${port}`)
}

function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.find((address) => address.family === 'IPv4' && !address.internal)?.address ?? '127.0.0.1'
}

const echo = 'busybox nc -ll -p 7777 -e /bin/busybox cat'

/** Rules that name an engine; other tests change other rules meanwhile. */
async function rulesOf(engine: Dockerd): Promise<string> {
  const tables = await Promise.all(
    ['filter', 'nat'].map((table) => run('iptables', ['-w', '-t', table, '-S'])),
  )
  const rules = tables.flatMap((table) => table.stdout.split('\n'))
  return rules.filter((rule) => rule.includes(idOf(engine))).join('\n')
}

test('a container on the bridge is reached by its own address and by its published port', async () => {
  const bound = { PortBindings: { '7777/tcp': [{ HostPort: '19777' }] } }
  const container = await runContainer(docker.engine, echo, bound)
  await untilEcho(addressOf(container), 7777)
  await untilEcho('127.0.0.1', 19777)
  await untilEcho(ownAddress(), 19777)
})

test('a container on the host network listens on the host', async () => {
  await runContainer(docker.engine, echo.replace('7777', '19778'), { NetworkMode: 'host' })
  await untilEcho('127.0.0.1', 19778)
})

test('containers have their cgroups under our own parent', async () => {
  const { State } = await runContainer(docker.engine, 'exec busybox sleep 600', { Memory: 32 * 1024 ** 2 })
  assert.match(readFileSync(`/proc/${State.Pid}/cgroup`, 'utf8'), /:\/armada-[0-9a-f]{8}\//)
})

test('kill -9 of dockerd leaves the containers as they are, and a restart finds them', async () => {
  const container = await runContainer(docker.engine, echo)
  await docker.kill()
  await untilEcho(addressOf(container), 7777)
  await docker.restart()
  assert.is((await inspect(docker.engine, container.Id)).State.Pid, container.State.Pid)
  const { pid } = docker
  await docker.containerd.kill()
  await docker.containerd.restart()
  assert.is((await inspect(docker.engine, container.Id)).State.Pid, container.State.Pid)
  assert.is(docker.pid, pid, 'nor does the death of containerd end dockerd')
})

test('two engines live side by side, and each cleans up after itself alone', async () => {
  const before = await rulesOf(docker)
  const other = await start('two', true)
  const bound = { PortBindings: { '7777/tcp': [{ HostPort: '19779' }] } }
  await runContainer(other.engine, echo, bound)
  await untilEcho(ownAddress(), 19779)
  await other.stop()
  assert.is(await rulesOf(docker), before)
  assert.is(await rulesOf(other), '')
  await untilEcho(ownAddress(), 19777)
})

test('after stop nothing is left, and the next start has the same containers, ended', async () => {
  const dir = join(scratch.dir, 'three')
  const engine = await start('three')
  const { Id, State } = await runContainer(
    engine.engine,
    "trap 'exit 7' TERM; while :; do sleep 1 & wait; done",
  )
  await engine.stop()
  assert.is(startTicksOf(State.Pid), undefined)
  assert.not(existsSync(join(engine.engine.socketPath, '..')))
  assert.not(readFileSync('/proc/mounts', 'utf8').includes(dir))
  assert.not((await run('ip', ['-br', 'link'])).stdout.includes(`arm-${idOf(engine)}`))
  assert.is(await rulesOf(engine), '')
  await engine.restart()
  const { State: after } = await inspect(engine.engine, Id)
  assert.not(after.Running)
  assert.is(after.ExitCode, 7)
  await engine.stop()
})

test('an engine whose owner was killed is swept with its containers', async () => {
  const engine = await start('four')
  const { State } = await runContainer(engine.engine, 'exec busybox sleep 600')
  await engine.kill()
  await engine.containerd.kill()
  assert.is(await clearAfterCrash('four'), true)
  assert.is(startTicksOf(State.Pid), undefined)
  assert.not(existsSync(join(engine.engine.socketPath, '..')))
})

/** As reset and the next test run do it: by the folder alone. */
async function clearAfterCrash(name: string): Promise<boolean> {
  await clearDockerd(join(scratch.dir, name))
  return !readFileSync('/proc/mounts', 'utf8').includes(join(scratch.dir, name))
}

function idOf(engine: Dockerd): string {
  return /armada-([0-9a-f]{8})/.exec(engine.engine.socketPath)?.[1] ?? ''
}

test.run()
