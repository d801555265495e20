// ApiServers as processes, without an admin in their settings: the first token is shown once, by one of them.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import { assertSafeToExpose, isLoopback } from '../../functions/exposure.ts'
import { startApi } from '../../infra/processes.ts'
import { freePort } from '../../infra/stack/port.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import type { Server } from '../../infra/stack/server.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf, connect } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { environmentFor } from '../../shared/settings.ts'
import { reasonOf } from '../harness/until.ts'

const test = suite('first token')
const log = createLog('test', 'silent')
const root = join(import.meta.dirname, '..', '..')
const random = () => Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString('base64url')
const runnerToken = random()
const started: Server[] = []
let scratch: Scratch
let stack: Stack

test.before(async () => {
  scratch = await scratchDir()
  stack = await startStack({ dir: scratch.dir, profile: 'fast', log })
})

test.after(async () => {
  for (const server of started) await server.kill()
  await stack?.stop()
  await scratch?.remove()
})

async function start(name: string, settings: object = {}): Promise<{ url: string; output: () => string }> {
  const listenPort = await freePort()
  const stores = {
    zookeeper: stack.zookeeper.address,
    etcd: stack.etcd.address,
    redis: stack.redis.address,
  }
  const dir = join(scratch.dir, name)
  const launch = { dir, dist: join(root, 'dist'), endWithParent: true, log }
  started.push(await startApi({ ...stores, listenPort, runnerToken, ...settings }, launch))
  return {
    url: `http://127.0.0.1:${listenPort}`,
    output: () => readFileSync(join(dir, 'api', 'api.log'), 'utf8'),
  }
}

const tokensIn = (text: string) => text.match(/armada-token\.first-admin\.[\w-]+/g) ?? []

/** The CLI against that ApiServer. */
async function armada(url: string, token: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, ARMADA_API: url, ARMADA_TOKEN: token }
  return (await promisify(execFile)(process.execPath, [join(root, 'dist', 'armada.js'), ...args], { env }))
    .stdout
}

test('of three ApiServers that start together one shows it; those that start later do not', async () => {
  const servers = await Promise.all(['one', 'two', 'three'].map((name) => start(name)))
  const [token = '', ...more] = servers.flatMap(({ output }) => tokensIn(output()))
  assert.ok(token)
  assert.deepEqual(more, [])
  assert.equal(servers.filter(({ output }) => /shown only once/.test(output())).length, 1)
  for (const { url } of servers) {
    const admin = connect({ url, token })
    const me = await answerOf(admin.v1.whoami.$get())
    assert.deepEqual([me.name, me.role], ['first-admin', 'admin'])
  }
  const later = await start('later')
  assert.deepEqual(tokensIn(later.output()), [])

  const run = (...args: string[]) => armada(later.url, token, ...args)
  const making = ['create-token', 'team', '--role', 'operator', '--fleets', 'lobby-*,duel', '--ttl', '3600']
  const [secret = ''] = (await run(...making)).split('\n')
  const me = await armada(later.url, secret, 'whoami')
  assert.match(me, /^team: operator, fleets lobby-\*, duel only, until 20/)
  assert.match(await run('tokens'), /first-admin +admin +all +never/)
  const [next = ''] = (await run('rotate-token', 'team', '--grace', '600')).split('\n')
  for (const one of [secret, next]) assert.equal(await armada(later.url, one, 'whoami'), me)
  assert.match(await run('revoke-token', 'team'), /team is revoked/)
  assert.match(String(await reasonOf(run('create-token', 'x', '--role', 'king'))), /--role must be one of/)
})

test('a secret that can be guessed is good on loopback only', async () => {
  const secrets = (adminToken: string) => ({
    ARMADA_ADMIN_TOKEN: adminToken,
    ARMADA_RUNNER_TOKEN: runnerToken,
  })
  for (const weak of [
    'a'.repeat(40),
    'test-admin-token-0123456789',
    'changeme-changeme-changeme',
    'admin-0123456789',
  ]) {
    assertSafeToExpose('127.0.0.1', secrets(weak))
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'armada.example'])
      assert.throws(() => assertSafeToExpose(host, secrets(weak)), /ARMADA_ADMIN_TOKEN can be guessed/, weak)
  }
  assert.throws(
    () => assertSafeToExpose('0.0.0.0', secrets(runnerToken)),
    /is the same as ARMADA_ADMIN_TOKEN/,
  )
  for (let i = 0; i < 1_000; i++) assertSafeToExpose('0.0.0.0', secrets(`armada-admin-${random()}`))
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', 'localhost'])
    assert.ok(isLoopback(host), host)
  const settings = { listenHost: '0.0.0.0', adminToken: 'changeme-changeme-changeme', runnerToken }
  const stores = { zookeeper: '127.0.0.1:1', etcd: '127.0.0.1:1', redis: '127.0.0.1:1' }
  const env = { ...process.env, ...environmentFor('api', { ...settings, ...stores }) }
  const refused = await reasonOf(
    promisify(execFile)(process.execPath, [join(root, 'dist', 'api.js')], { env }),
  )
  assert.match(
    (refused as { stderr: string }).stderr,
    /does not listen on 0\.0\.0\.0.*\n.*ARMADA_ADMIN_TOKEN can be/,
  )
})

test.run()
