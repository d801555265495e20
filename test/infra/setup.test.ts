// The set-up: silent and quick when all is there, one at a time, and clear about what a person must do.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('setup')
const root = join(import.meta.dirname, '../..')
const setup = join(root, 'infra/setup.mjs')

test('when all is there it says nothing and is quick', () => {
  assert.is(spawnSync(process.execPath, [setup, '--tests']).status, 0)
  const startedMs = performance.now()
  const second = spawnSync(process.execPath, [setup, '--tests'], { encoding: 'utf8' })
  assert.is(second.status, 0)
  assert.is(second.stdout + second.stderr, '')
  // Alone it takes 0.15 s; other tests run beside this one.
  assert.ok(performance.now() - startedMs < 2_000)
})

test('a second set-up waits for the first, and takes over from a dead one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'armada-lock-'))
  const file = join(folder, 'setup.lock')
  const script = `
    import { lockFolder } from ${JSON.stringify(join(root, 'infra/setup/lock.mjs'))}
    const unlock = await lockFolder(${JSON.stringify(folder)})
    console.log('mine')
    unlock()`
  const take = () => spawn(process.execPath, ['--input-type=module', '--eval', script])
  writeFileSync(file, String(process.pid))
  const waiting = take()
  let said = ''
  waiting.stdout.on('data', (data) => {
    said += data
  })
  while (!said.includes('waiting for')) await new Promise((resolve) => waiting.stdout.once('data', resolve))
  assert.not(said.includes('mine'))
  const dead = spawnSync('true')
  writeFileSync(file, String(dead.pid))
  await new Promise((resolve) => waiting.once('exit', resolve))
  assert.ok(said.includes('mine'))
  assert.throws(() => readFileSync(file), /ENOENT/)
  rmSync(folder, { recursive: true })
})

test('a person without root is told the one command to run', () => {
  if (process.getuid?.() !== 0) return
  // Nothing is on this path, and an ordinary user can install nothing.
  const script = `
    import { missingPrograms, installPrograms } from ${JSON.stringify(join(root, 'infra/setup/programs.mjs'))}
    process.setgroups([]); process.setgid(65534); process.setuid(65534)
    const missing = [{ name: 'etcd', packages: ['etcd-server'], services: ['etcd'] }]
    await installPrograms(missing).catch((error) => console.log(error.message, error.advice))`
  const env = { PATH: '/nonexistent' }
  const told = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
    env,
  })
  assert.match(
    told.stdout,
    /sudo apt-get update && sudo apt-get install -y --no-install-recommends etcd-server/,
  )
})

test.run()
