// The example for game proxies, as a process of its own: its file follows the ships, over restarts of the ApiServer.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf, connect } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { ApiProcess } from '../harness/apiProcess.ts'
import { adminToken } from '../harness/apiServer.ts'
import { startChild } from '../harness/child.ts'
import { writeReadyShips } from '../harness/readyShips.ts'
import { until } from '../harness/until.ts'

const test = suite('proxy backends')
const program = join(import.meta.dirname, '..', '..', 'infra', 'examples', 'proxy-backends', 'backends.mjs')
const limitMs = 60_000
const around = ['# by hand', '[servers]', '# armada: begin', '# armada: end', '[forced-hosts]', '']
let scratch: Scratch
let stack: Stack
let api: ApiProcess

test.before(async () => {
  scratch = await scratchDir()
  stack = await startStack({ dir: scratch.dir, profile: 'fast', log: createLog('test', 'silent') })
  api = await ApiProcess.start(stack)
})
test.after(async () => {
  await api?.kill()
  await stack?.stop()
  await scratch?.remove()
})

interface Example {
  file: string
  /** Ids of ships in the file. */
  names(): Promise<string[]>
  /** Times that the hook ran. */
  hooks(): Promise<number>
  said(): string
  child: ChildProcess
  stop(): Promise<void>
}

async function start(name: string, settings: Record<string, string> = {}, text?: string): Promise<Example> {
  const file = join(scratch.dir, name)
  const hooked = `${file}.hooked`
  if (text !== undefined) await writeFile(file, text)
  await writeFile(hooked, '')
  const own = { ARMADA_API: api.url, ARMADA_TOKEN: adminToken, BACKENDS_FILE: file }
  const env = { ...own, BACKENDS_HOOK: `grep -c :7 "${file}" >> "${hooked}"; true`, ...settings }
  const child = startChild(process.execPath, [program], ['ignore', 'pipe', 'pipe'], env)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data) => {
      said += data
    })
  }
  return {
    file,
    child,
    said: () => said,
    names: async () =>
      [...(await readFile(file, 'utf8').catch(() => '')).matchAll(/^"([\w-]+)" = "/gm)].map(
        ([, id]) => id ?? '',
      ),
    hooks: async () => (await readFile(hooked, 'utf8')).split('\n').length - 1,
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

const make = (fleet: string, count: number, change: Partial<Ship> = {}) =>
  writeReadyShips({ etcd: stack.etcd.address, count, fleet, hosts: 2, change })
const client = () => connect({ url: api.url, token: adminToken })
const stop = (ship: string) => answerOf(client().v1.ships[':ship'].$delete({ param: { ship }, header: {} }))
const same = async (example: Example, ids: readonly string[]) =>
  until(async () => JSON.stringify(await example.names()) === JSON.stringify(ids), limitMs).catch((error) => {
    throw new Error(`${error.message}\n${example.said()}`)
  })

test('a proxy has the ships that are Ready, as they come and go; what people wrote around them stays', async () => {
  const [one = '', two = ''] = await make('lobby', 2)
  await make('other', 1)
  const example = await start('velocity.toml', {}, around.join('\n'))
  await chmod(example.file, 0o640)
  await same(example, [one, two])
  const text = await readFile(example.file, 'utf8')
  const ours = [`"${one}" = "10.0.0.1:7000"`, `"${two}" = "10.0.0.1:7000"`, `try = ["${one}", "${two}"]`]
  assert.equal(text, [...around.slice(0, 3), ...ours, ...around.slice(3)].join('\n'))
  await stop(one)
  await same(example, [two])
  assert.equal((await stat(example.file)).mode & 0o777, 0o640)
  await until(async () => (await example.hooks()) >= 2, limitMs)
  await stop(two)
  await same(example, [])
  assert.match(await readFile(example.file, 'utf8'), /try = \[\]/)
  await example.stop()
  assert.equal(example.child.exitCode, 0, example.said())
})

test('while the ApiServer is away the file stays as it is; afterwards it is as the ships are then', async () => {
  const [one = '', two = '', three = ''] = await make('away', 3)
  const settings = { BACKENDS_QUERY: 'fleet=away&state=Ready' }
  const example = await start('away.toml', settings)
  await same(example, [one, two, three])
  const { port } = api
  await api.kill()
  const before = await readFile(example.file, 'utf8')
  // One that begins while nobody answers leaves alone what it finds.
  const late = await start('late.toml', settings, before)
  await until(() => [example, late].every(({ said }) => said().includes('going on')), limitMs)
  await delay(1_000)
  assert.equal(await readFile(example.file, 'utf8'), before)
  assert.equal(await readFile(late.file, 'utf8'), before)
  api = await ApiProcess.start(stack, { listenPort: port })
  await stop(two)
  await same(example, [one, three])
  await same(late, [one, three])
  await Promise.all([example.stop(), late.stop()])
})

test('a hook that fails runs again, one that has nothing to tell does not run; many changes are one', async () => {
  const ids = await make('hooked', 40)
  const flag = join(scratch.dir, 'may')
  const file = join(scratch.dir, 'hooked.toml')
  const hook = `echo x >> "${file}.hooked"; test -e "${flag}"`
  const settings = { BACKENDS_QUERY: 'fleet=hooked&state=Ready', BACKENDS_HOOK: hook }
  const example = await start('hooked.toml', settings)
  await same(example, ids)
  await until(async () => (await example.hooks()) >= 2, limitMs)
  await writeFile(flag, '')
  await until(async () => {
    const before = await example.hooks()
    await delay(3_000)
    return (await example.hooks()) === before
  }, limitMs)
  const before = await example.hooks()
  await Promise.all(ids.map(stop))
  await same(example, [])
  assert.ok((await example.hooks()) - before < 20, 'changes are told together')
  await example.stop()
})

test('a token that is refused ends it, and leaves the file alone', async () => {
  const example = await start('refused.toml', { ARMADA_TOKEN: 'a-token-that-there-is-not' }, 'mine\n')
  if (example.child.exitCode === null) await once(example.child, 'exit')
  assert.equal(example.child.exitCode, 1)
  assert.match(example.said(), /401/)
  assert.equal(await readFile(example.file, 'utf8'), 'mine\n')
})

test('HAProxy reads servers, programs read JSON; a numbered ship is known by its name', async () => {
  await make('shapes', 1, { name: 'shapes-1' })
  const query = { BACKENDS_QUERY: 'fleet=shapes&state=Ready' }
  const haproxy = await start('haproxy.cfg', { ...query, BACKENDS_FORMAT: 'haproxy' })
  const json = await start('backends.json', { ...query, BACKENDS_FORMAT: 'json' })
  const textOf = ({ file }: Example) => readFile(file, 'utf8').catch(() => '')
  await until(async () => (await textOf(haproxy)) !== '' && (await textOf(json)) !== '', limitMs)
  assert.equal(await textOf(haproxy), '  server shapes-1 10.0.0.1:7000 check\n')
  assert.deepEqual(JSON.parse(await textOf(json)), [{ name: 'shapes-1', address: '10.0.0.1', port: 7000 }])
  await Promise.all([haproxy.stop(), json.stop()])
})

test.run()
