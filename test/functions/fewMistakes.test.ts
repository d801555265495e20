// Bodies that are all wrong: what is said of them is said before they are read to the end.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { z } from 'zod'
import { mostMistakes, stopEarly } from '../../functions/middleware/fewMistakes.ts'
import { claim, output, report } from '../../shared/api/monitor.ts'
import { reportPlacements } from '../../shared/api/placements.ts'

const test = suite('few mistakes')

type Route = { request: { body: { content: { 'application/json': { schema: z.ZodType } } } } }

function schemaOf({ request }: Route): z.ZodType {
  const { schema } = request.body.content['application/json']
  stopEarly(schema)
  return schema
}

const many = (count: number, entry: unknown) => Array.from({ length: count }, () => entry)
const reports = { changes: [], holdings: null, host: null, ships: [] }
const sample = { ship: 'BAD!', players: -1, maxPlayers: 'x', map: 5, cpuMillis: null, memoryMiB: [] }
const ports = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`BAD ${i}`, -1]))
const exit = { code: 'x', oomKilled: 1, logTail: many(150_000, 1), at: '' }

const bad: [string, Route, unknown][] = [
  ['5,000 samples', report, { ...reports, ships: many(5_000, sample) }],
  ['60,000 samples', report, { ...reports, ships: many(60_000, {}) }],
  ['2,500 holdings', report, { ...reports, holdings: many(2_500, { ...sample, hostPorts: 'x' }) }],
  ['ports without a bound', report, { ...reports, holdings: [{ hostPorts: many(190_000, 'x') }] }],
  ['lines of one exit', report, { ...reports, changes: [{ state: 'Failed', ship: 'a', attempt: 1, exit }] }],
  ['100,000 ports of claims', claim, { claims: many(1_000, { ship: 'a', attempt: 1, ports }) }],
  [
    '190,000 waiting ships',
    reportPlacements,
    { epoch: 1, placed: [], refused: [], waiting: many(190_000, 1) },
  ],
  ['190,000 lines', output, { seq: 0, skipped: 0, more: false, lines: many(190_000, {}), ended: null }],
]

test('each is refused with its first mistakes, in a few milliseconds', () => {
  for (const [what, route, body] of bad) {
    const schema = schemaOf(route)
    const took: number[] = []
    for (let i = 0; i < 9; i++) {
      const startedAtMs = performance.now()
      const { success, error } = schema.safeParse(body)
      took.push(performance.now() - startedAtMs)
      assert.equal(success, false, what)
      assert.ok((error?.issues.length ?? 0) < 300, `${what}: ${error?.issues.length} issues`)
    }
    // They took 80 to 2,900 ms; now some 1 to 10.
    const median = took.sort((a, b) => a - b)[4] ?? 0
    assert.ok(median < 50, `${what}: ${median} ms`)
  }
})

test('what is good, and what little is wrong, is read as before', () => {
  const make = () =>
    z.strictObject({
      names: z.array(z.string().max(3)).min(1).max(4).nullable().default(null),
      pairs: z.array(z.strictObject({ n: z.coerce.number(), inner: z.array(z.int()).optional() })).max(3),
    })
  const plain = make()
  const early = make()
  stopEarly(early)
  for (const value of [
    { pairs: [] },
    { names: ['a', 'b'], pairs: [{ n: '5' }, { n: 6, inner: [1, 2] }] },
    { names: [], pairs: [{ n: 'x', inner: [1.5, 'y'] }, 7] },
    { names: 'a', pairs: { length: 1 } },
    { names: ['long', 'a', 'longer'], pairs: [{ n: 1, more: 2 }] },
    { names: null },
  ]) {
    const [one, other] = [plain.safeParse(value), early.safeParse(value)]
    assert.deepEqual(other.data, one.data)
    assert.deepEqual(other.error?.issues, one.error?.issues)
  }
  const long = early.safeParse({ names: many(500, 'a'), pairs: many(4, 1) }).error?.issues
  assert.deepEqual(
    long?.map(({ code, path }) => [code, path]),
    [
      ['too_big', ['names']],
      ['too_big', ['pairs']],
    ],
  )
  assert.ok(mostMistakes >= 10)
})

test.run()
