// The test runner itself: it believes totals, not exit codes.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'

const test = suite('runner')
// Not among the sources, which another test looks at meanwhile, but where packages are found.
const folder = join('.armada', `probe-${process.pid}`)

function outcomeOf(body: string, env: NodeJS.ProcessEnv = {}): { line: string; status: number | null } {
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'probe.test.ts'),
    `import { suite } from 'uvu'\nconst test = suite('probe')\n${body}\n`,
  )
  const { stdout, status } = spawnSync(
    process.execPath,
    ['--import', 'tsx', 'test/run.ts', join(folder, 'probe.test.ts')],
    { encoding: 'utf8', env: { ...process.env, ...env } },
  )
  return { line: stdout.trim().split('\n').at(-1) ?? '', status }
}

test.after(() => rmSync(folder, { recursive: true, force: true }))

test('counts what passed and what failed', () => {
  const body = `test('a', () => {})\ntest('b', () => { throw new Error('no') })\ntest.run()`
  assert.deepEqual(outcomeOf(body), { line: '1 passed, 1 failed', status: 1 })
})

test('a suite that is never run has failed', () => {
  assert.deepEqual(outcomeOf(`test('a', () => {})`), { line: '0 passed, 1 failed', status: 1 })
})

test('a before that throws fails the file', () => {
  const body = `test.before(() => { throw new Error('no') })\ntest('a', () => {})\ntest.run()`
  assert.equal(outcomeOf(body).status, 1)
})

test('a file that does not end has failed, whatever it has passed', () => {
  const body = `test('a', () => { setInterval(() => {}, 1_000) })\ntest.run()`
  assert.deepEqual(outcomeOf(body, { FILE_LIMIT_MS: '10000' }), { line: '1 passed, 1 failed', status: 1 })
})

test('a run of no files has failed', () => {
  const { stdout, status } = spawnSync(process.execPath, ['--import', 'tsx', 'test/run.ts', 'no-such-file'], {
    encoding: 'utf8',
  })
  assert.match(stdout, /0 passed, 1 failed/)
  assert.equal(status, 1)
})

test.run()
