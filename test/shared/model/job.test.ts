// What a host's box may hold: what was written is read, and what is no list of jobs is refused.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeJobs, encodeJobs, type Job } from '../../../shared/model/job.ts'

const test = suite('jobs')
const resources = { cpuMillis: 10, memoryMiB: 10 }
const traceId = 'a'.repeat(32)
const start: Job = { kind: 'start', ship: 'a', attempt: 1, ports: { game: 7_000 }, fleet: null, resources }
const stop: Job = { kind: 'stop', ship: 'b', attempt: 2, atMs: 5 }

test('reads what was written', () => {
  const jobs: Job[] = [
    start,
    { ...start, ship: 'c', ports: {}, traceId },
    stop,
    { ...stop, ship: 'd', traceId },
  ]
  assert.equal(decodeJobs(encodeJobs(jobs)), jobs)
  assert.equal(decodeJobs(Buffer.alloc(0)), [])
})

test('refuses what is no list of jobs', () => {
  const box = { v: 1, takings: [{ fleet: null, resources }], starts: [] as unknown, stops: [] as unknown }
  const ports = { game: 7_000 }
  const starts = [
    {},
    [{}],
    ['a/b', 1, 0, ports],
    ['../a', 1, 0, ports],
    [1, 1, 0, ports],
    ['a', 0, 0, ports],
    ['a', 1.5, 0, ports],
    ['a', '1', 0, ports],
    ['a', 1, -1, ports],
    ['a', 1, 1, ports],
    ['a', 1, null, ports],
    ['a', 1, 0],
    ['a', 1, 0, null],
    ['a', 1, 0, []],
    ['a', 1, 0, 7_000],
    ['a', 1, 0, { game: 0 }],
    ['a', 1, 0, { game: 65_536 }],
    ['a', 1, 0, { game: '7000' }],
    ['a', 1, 0, { 'Game!': 7_000 }],
    ['a', 1, 0, ports, 0],
    ['a', 1, 0, ports, 'x'],
    ['a', 1, 0, ports, 0, 0],
  ]
  const stops = [
    ['b', 1],
    ['b', 1, 2.5],
    ['b', 1, 0, 7],
    ['b', 1, 0, 0, 0],
    ['B', 1, 0],
  ]
  const boxes = [
    ...starts.map((row) => ({ ...box, starts: Array.isArray(row) ? [row] : row })),
    ...stops.map((row) => ({ ...box, stops: [row] })),
    ...[{ ...box, v: 2 }, { ...box, more: 1 }, { ...box, starts: 'a' }, [], null, 1],
  ]
  for (const value of boxes) {
    const data = Buffer.from(JSON.stringify(value))
    assert.throws(() => decodeJobs(data), undefined, data.toString())
  }
})

test.run()
