// The tables are whole: each error, state, setting and test file stands where it must, and nowhere else.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import { problems } from '../../shared/errors.ts'
import { isAboard, isFinished, isLive, moves, ShipState } from '../../shared/model/shipState.ts'
import { readSettings, settings } from '../../shared/settings.ts'
import { version } from '../../shared/version.ts'
import { sourceFiles } from '../harness/sources.ts'

const test = suite('tables')
const sources = sourceFiles(['functions', 'agent', 'shared', 'infra']).map(
  (file) => [file, readFileSync(file, 'utf8')] as const,
)
const readme = readFileSync('README.md', 'utf8')

test('every error code is raised somewhere, and none outside the table', () => {
  const raised = new Set(
    sources.flatMap(([, text]) =>
      [...text.matchAll(/ArmadaError\(\s*'(\w+)'/g)].map((match) => match[1] as string),
    ),
  )
  assert.deepEqual([...raised].sort(), Object.keys(problems).sort())
})

test('every state has its row, and every move leads to a state', () => {
  assert.deepEqual(Object.keys(moves).sort(), [...ShipState.options].sort())
  for (const row of Object.values(moves))
    for (const to of Object.keys(row)) assert.ok(ShipState.safeParse(to).success, to)
  for (const state of ShipState.options) {
    assert.equal(isFinished(state), Object.keys(moves[state]).length === 0, state)
    assert.ok(!(isFinished(state) && (isAboard(state) || isLive(state))), state)
  }
})

test('every state but the ends has a way to an end', () => {
  for (const state of ShipState.options.filter((one) => !isFinished(one))) {
    const seen = new Set<string>([state])
    for (const from of seen) for (const to of Object.keys(moves[from as ShipState])) seen.add(to)
    assert.ok(seen.has('Stopped'), state)
  }
})

test('settings: only shared/settings.ts names them, only the ApiServer is given the stores, and the README lists all', () => {
  for (const [name, { env, roles }] of Object.entries(settings)) {
    if (name === 'etcd' || name === 'redis') assert.deepEqual(roles, ['api'])
    assert.ok(readme.includes(`\`${env}\``), `${env} is not in the README`)
  }
  for (const [file, text] of sources) {
    if (/^(functions|agent)\//.test(file))
      assert.doesNotMatch(text, /process\.env/, `${file} reads the environment itself`)
  }
  assert.throws(() => readSettings('api', {}), /ARMADA_ETCD is not set/)
  assert.ok(!('etcd' in readSettings('agent', { ARMADA_ZOOKEEPER: 'a:1', ARMADA_ETCD: 'b:2' })))
})

test('the version stands twice and is the same', () => {
  assert.equal(JSON.parse(readFileSync('package.json', 'utf8')).version, version)
})

test('every test file runs its suite', () => {
  for (const file of sourceFiles(['test']).filter((file) => file.endsWith('.test.ts'))) {
    assert.match(readFileSync(file, 'utf8'), /^\s*[\w.]+\.run\(\)$/m, `${file} never runs its suite`)
  }
})

test('the lock file names no download address, and every package has a permissive licence', () => {
  const lock = readFileSync('package-lock.json', 'utf8')
  assert.doesNotMatch(lock, /"resolved"/)
  const packages: Record<string, { license?: string; dev?: boolean }> = JSON.parse(lock).packages
  for (const [name, { license, dev }] of Object.entries(packages)) {
    if (!dev && name && license)
      assert.match(license, /MIT|ISC|BSD|Apache|0BSD|Unlicense|CC0|BlueOak|Python/, `${name}: ${license}`)
  }
})

test('format, lint and types are clean', () => {
  execFileSync('npm', ['run', '--silent', 'check'], { stdio: 'pipe', encoding: 'utf8' })
})

test.run()
