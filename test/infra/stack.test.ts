// The servers of infra/stack: they start, answer, survive being killed with their data, and harm nobody else.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import ZooKeeper from 'zookeeper'
import { claimFolder } from '../../infra/stack/claim.ts'
import { startEtcd } from '../../infra/stack/etcd.ts'
import { isAlive, readMark, startTicksOf, writeMark } from '../../infra/stack/leftover.ts'
import { isPortFree, keptPorts } from '../../infra/stack/port.ts'
import { startServer } from '../../infra/stack/process.ts'
import { startRedis } from '../../infra/stack/redis.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import type { Server } from '../../infra/stack/server.ts'
import { startStack } from '../../infra/stack/stack.ts'
import { wipe } from '../../infra/stack/wipe.ts'
import { startZooKeeper, startZooKeeperEnsemble, untilServing } from '../../infra/stack/zookeeper.ts'
import { createLog } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'

const test = suite('stack')
const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
let scratch: Scratch

test.before(async () => {
  scratch = await scratchDir()
})
test.after(async () => {
  await scratch.remove()
})

function dirOf(name: string): string {
  return join(scratch.dir, name)
}

const common = { endWithParent: true, log }

async function etcdCall(address: string, path: string, body: object): Promise<{ kvs?: { value: string }[] }> {
  const response = await fetch(`${address}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) })
  return (await response.json()) as { kvs?: { value: string }[] }
}

async function redisCall(server: Server, act: (redis: Redis) => Promise<unknown>): Promise<unknown> {
  const redis = new Redis(server.address, { maxRetriesPerRequest: 2, commandTimeout: 2_000 })
  redis.on('error', () => undefined)
  try {
    return await act(redis)
  } finally {
    redis.disconnect()
  }
}

async function withZooKeeper<T>(address: string, act: (client: ZooKeeper) => Promise<T>): Promise<T> {
  const client = new ZooKeeper({ connect: address, timeout: 5_000, debug_level: 0 })
  await new Promise<void>((resolve) => client.once('connect', () => resolve()).init({}))
  try {
    return await act(client)
  } finally {
    client.close()
  }
}

test('etcd keeps its data through kill -9 and restart, on the same address', async () => {
  const server = await startEtcd({ ...common, dir: dirOf('etcd') })
  const key = Buffer.from('k').toString('base64')
  await etcdCall(server.address, 'put', { key, value: key })
  const first = server.pid
  await server.kill()
  assert.is(server.pid, undefined)
  await server.restart()
  assert.is.not(server.pid, first)
  assert.is((await etcdCall(server.address, 'range', { key })).kvs?.[0]?.value, key)
  await server.stop()
})

test('a durable Redis keeps its data through kill -9', async () => {
  const server = await startRedis({ ...common, dir: dirOf('redis'), fsync: true })
  await redisCall(server, (redis) => redis.set('k', 'v'))
  await server.kill()
  await server.restart()
  assert.is(await redisCall(server, (redis) => redis.get('k')), 'v')
  await server.stop()
})

test('ZooKeeper keeps its data through kill -9', async () => {
  const server = await startZooKeeper({ ...common, dir: dirOf('zookeeper') })
  await withZooKeeper(server.address, (client) => client.create('/k', Buffer.from('v'), 0))
  await server.kill()
  await server.restart()
  const [, data] = await withZooKeeper(server.address, (client) => client.get('/k', false))
  assert.is(String(data), 'v')
  await server.stop()
})

test('an ensemble lives on without one member', async () => {
  const members = await startZooKeeperEnsemble({ ...common, dir: dirOf('ensemble'), fsync: false })
  const [first, second] = members
  await first?.kill()
  assert.ok(second !== undefined && (await untilServing(second)))
  await Promise.all(members.map((member) => member.stop()))
})

test('pause silences a server and resume wakes it', async () => {
  const server = await startRedis({ ...common, dir: dirOf('paused'), fsync: false })
  server.pause()
  const silent = await redisCall(server, (redis) => redis.ping()).catch(() => 'silent')
  assert.is(silent, 'silent')
  server.resume()
  assert.is(await redisCall(server, (redis) => redis.ping()), 'PONG')
  server.pause()
  await server.stop()
  assert.is(server.pid, undefined, 'a paused server can be stopped')
})

test('the server of a killed run is used on, and ends with the new run', async () => {
  const dir = dirOf('resumed')
  const before = await startRedis({ ...common, dir, fsync: false })
  const { pid } = before
  const after = await startRedis({ ...common, dir, fsync: false })
  assert.is(after.pid, pid)
  assert.is(after.address, before.address)
  await after.stop()
  assert.is(before.pid, undefined)
})

test('a server of a killed run with other settings is ended first', async () => {
  const dir = dirOf('changed')
  const before = await startRedis({ ...common, dir, fsync: false })
  const { pid } = before
  const after = await startRedis({ ...common, dir, fsync: true })
  assert.is.not(after.pid, pid)
  assert.is(after.address, before.address)
  await after.stop()
})

test('what only the first start needs, such as a token to join, does not make it another server', async () => {
  const plan = {
    ...{ ...common, name: 'sleeper', dir: dirOf('sleeper'), command: 'sleep', args: ['60'], address: '' },
    ...{ answers: async () => true, onlyOnce: ['ONCE'] },
  }
  const first = await startServer({ ...plan, env: { ONCE: 'token', ALWAYS: 'x' } })
  const again = await startServer({ ...plan, env: { ALWAYS: 'x' } })
  assert.is(again.pid, first.pid)
  const other = await startServer({ ...plan, env: { ALWAYS: 'y' } })
  assert.is.not(other.pid, first.pid)
  await other.stop()
})

test('a process gets no settings of ours but those of its plan', async () => {
  process.env.ARMADA_SECRET_OF_OTHERS = 'x'
  const dir = dirOf('environment')
  const script =
    'require("fs").writeFileSync("seen", JSON.stringify(process.env)); setInterval(() => {}, 1000)'
  const server = await startServer({
    ...{ name: 'node', dir, command: process.execPath, args: ['-e', script], address: '', ...common },
    env: { ARMADA_MINE: 'y' },
    answers: async () => existsSync(join(dir, 'seen')) && readFileSync(join(dir, 'seen'), 'utf8') !== '',
  })
  const seen = JSON.parse(readFileSync(join(dir, 'seen'), 'utf8'))
  assert.is(seen.ARMADA_MINE, 'y')
  assert.is(seen.ARMADA_SECRET_OF_OTHERS, undefined)
  assert.is(seen.PATH, process.env.PATH)
  delete process.env.ARMADA_SECRET_OF_OTHERS
  await server.stop()
})

test('a foreign process with the marked process id is left alone', async () => {
  const dir = dirOf('foreign')
  const server = await startRedis({ ...common, dir, fsync: false })
  const mark = readMark(dir)
  await server.stop()
  assert.ok(mark)
  const foreign = spawn('sleep', ['60'], { stdio: 'ignore' })
  const pid = foreign.pid ?? 0
  const startTicks = startTicksOf(pid) ?? ''
  writeMark(dir, { ...mark, pid })
  await (await startRedis({ ...common, dir, fsync: false })).stop()
  assert.ok(isAlive({ pid, startTicks }), 'another start time')
  writeMark(dir, { ...mark, pid, startTicks })
  await wipe(dir)
  assert.ok(isAlive({ pid, startTicks }), 'another program')
  foreign.kill()
})

test('with revive a server that dies by itself comes back', async () => {
  const told: string[] = []
  const revive = (line: string) => void told.push(line)
  const server = await startRedis({ ...common, dir: dirOf('revived'), fsync: true, revive })
  const first = server.pid ?? 0
  try {
    process.kill(first, 'SIGKILL')
    const endMs = performance.now() + 20_000
    let now: number | undefined
    while ((now === undefined || now === first) && performance.now() < endMs) {
      await sleep(20)
      now = server.pid
    }
    assert.ok(now !== undefined && now !== first)
    assert.match(
      told.join(),
      /^redis is started again, unasked: it ended with SIGKILL\. Its log: \S+redis\.log$/,
    )
  } finally {
    await server.stop()
  }
  await sleep(500)
  assert.is(server.pid, undefined, 'stop is for good')
})

test('a server that is slow to start is named, and what to do about it', async () => {
  const plan = { ...common, name: 'dawdler', dir: dirOf('slow'), command: 'sleep', args: ['60'], address: '' }
  const started = await startServer({ ...plan, answers: async () => false, readyLimitMs: 300 }).catch(String)
  assert.match(
    String(started),
    /dawdler did not start: it did not answer within 0.3 s.*starting it again goes on/,
  )
})

test('a server that cannot start says why', async () => {
  const dir = dirOf('broken')
  await keptPorts(dir, ['client'], false)
  const started = await startRedis({ ...common, dir, port: 1, fsync: false }).then(
    async (server) => await server.stop(),
    (error: Error) => error.message,
  )
  if (process.getuid?.() !== 0) assert.match(String(started), /redis did not start/)
  writeFileSync(dirOf('file'), '')
  try {
    await startEtcd({ ...common, dir: join(dirOf('file'), 'etcd') })
    assert.unreachable()
  } catch (error) {
    assert.match(String(error), /ENOTDIR/)
  }
})

test('ports stay the same between runs while they are free', async () => {
  const dir = dirOf('ports')
  const first = await keptPorts(dir, ['client', 'peer'], false)
  assert.equal(await keptPorts(dir, ['client', 'peer'], false), first)
  assert.ok(await isPortFree(first.client))
  const holder = await startRedis({ ...common, dir: dirOf('holder'), port: first.client, fsync: false })
  const second = await keptPorts(dir, ['client', 'peer'], false)
  assert.is.not(second.client, first.client)
  assert.is(second.peer, first.peer)
  await holder.stop()
})

test('the stack starts all three at once, and uses servers that are named instead', async () => {
  const own = await startStack({ dir: dirOf('stack'), profile: 'fast', log })
  const addresses = { zookeeper: own.zookeeper.address, etcd: own.etcd.address, redis: own.redis.address }
  const other = await startStack({ dir: dirOf('other'), profile: 'fast', addresses, log })
  assert.is(other.etcd.pid, undefined)
  await other.stop()
  assert.ok(own.etcd.pid !== undefined && own.redis.pid !== undefined && own.zookeeper.pid !== undefined)
  await own.stop()
  try {
    await startStack({ dir: dirOf('other'), profile: 'fast', addresses, log })
    assert.unreachable()
  } catch (error) {
    assert.match(String(error), /nothing answers at .*ARMADA_/)
  }
})

test('a state folder has one owner at a time', () => {
  const dir = dirOf('claimed')
  const other = spawn('sleep', ['60'], { stdio: 'ignore' })
  const release = claimFolder(dir)
  release()
  const startTicks = startTicksOf(other.pid ?? 0) ?? ''
  writeMark(dir, { pid: other.pid ?? 0, startTicks, program: 'sleep', address: '', launch: '' })
  assert.throws(() => claimFolder(dir), /in use by process/)
  other.kill('SIGKILL')
})

test.run()
