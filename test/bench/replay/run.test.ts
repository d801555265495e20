// `npm run bench:replay` as people run it: what it reads of a log, and what it prints.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import { scratchDir } from '../../../infra/stack/scratch.ts'

const test = suite('bench:replay')
const program = join(import.meta.dirname, 'run.ts')
const fixed = (replicas: number, max = 9) => ({ policy: { type: 'fixed', replicas }, min: replicas, max })
let scratch: Awaited<ReturnType<typeof scratchDir>>

test.before(async () => {
  scratch = await scratchDir()
})
test.after(() => scratch?.remove())

async function replay(log: string, policies: object, ...options: string[]): Promise<string> {
  const [logFile, policyFile] = [join(scratch.dir, 'arrivals.csv'), join(scratch.dir, 'policies.json')]
  await Promise.all([writeFile(logFile, log), writeFile(policyFile, JSON.stringify(policies))])
  const args = ['--import', 'tsx', program, logFile, '--policies', policyFile, ...options]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return stdout
}

/** The cells of each row below the heading. */
function rowsOf(printed: string): string[][] {
  const lines = printed.split('\n').map((line) => line.trim())
  const from = lines.findIndex((line) => line.startsWith('FLEET'))
  const to = lines.indexOf('', from)
  return lines.slice(from + 1, to).map((line) => line.split(/\s{2,}/))
}

test('arrivals by fleet, in any order and in both kinds of time, and the figures of each policy', async () => {
  // Of lobby two come at once, for an hour, and a third ten seconds later: one ship serves one of them.
  const log = [
    ...['# a comment', 'time,seconds,fleet', '110, 3600, lobby', '100,3600,lobby', '100,3600,lobby', ''],
    '1970-01-01T00:00:05Z,1800,arena\r',
  ].join('\n')
  const printed = await replay(log, { one: fixed(1), three: fixed(3) }, '--patience', '60', '--per-host', '2')
  const rows = rowsOf(printed)
  // Fleet, policy, arrivals, missed, waits at the median, at 95 % and at most, ship-hours, host-hours, use, most ships,
  // changes, turns.
  assert.deepEqual(rows, [
    ['lobby', 'one', '3', '2', '0.0 s', '0.0 s', '0.0 s', '1', '1', '100%', '1', '0', '0'],
    ['lobby', 'three', '3', '0', '0.0 s', '0.0 s', '0.0 s', '3', '2', '100%', '3', '0', '0'],
    ['arena', 'one', '1', '0', '0.0 s', '0.0 s', '0.0 s', '1', '1', '100%', '1', '0', '0'],
    ['arena', 'three', '1', '0', '0.0 s', '0.0 s', '0.0 s', '2', '1', '33%', '3', '0', '0'],
  ])
  assert.match(
    printed,
    /Ships start in 20 s, take one session each, 2 to a host; sessions wait 60 s at most\./,
  )
})

test('waits are those for ships that start; --why tells each decision', async () => {
  const buffer = { policy: { type: 'buffer', size: 0 }, min: 0, max: 9 }
  const printed = await replay('0,600,lobby\n300,600,lobby\n', { buffer }, '--start', '8', '--why')
  assert.deepEqual(rowsOf(printed)[0]?.slice(2, 7), ['2', '0', '8.0 s', '8.0 s', '8.0 s'])
  assert.match(printed, /^1970-01-01T00:00:00\.000Z lobby 1: /m)
  assert.match(printed, /^1970-01-01T00:05:00\.000Z lobby 2: /m)
})

test('what cannot be read is refused, by the number of its line', async () => {
  const policies = { one: fixed(1) }
  await assert.rejects(replay('100,3600,lobby\n100,,lobby\n', policies), /Line 2 is not "time,seconds,fleet"/)
  await assert.rejects(replay('yesterday,5,lobby', policies), /Line 1/)
  await assert.rejects(replay('1,5,lobby', policies, '--start', '0'), /--start must be a number above 0/)
  const webhook = { policy: { type: 'webhook', url: 'https://example.com/' }, max: 5 }
  await assert.rejects(replay('1,5,lobby', { webhook }), /asks a webhook: there is none in simulated time/)
})

test.run()
