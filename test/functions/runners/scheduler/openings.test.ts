// Which empty hosts stand ajar, whatever happened before.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Openings } from '../../../../functions/runners/scheduler/openings.ts'

const engine = suite('openings')

const shapes = [
  { cpuMillis: 64_000, memoryMiB: 262_144 },
  { cpuMillis: 64_000, memoryMiB: 131_072 },
  { cpuMillis: 32_000, memoryMiB: 131_072 },
  { cpuMillis: 48_000, memoryMiB: 98_304 },
  { cpuMillis: 8_000, memoryMiB: 32_768 },
]
type Shape = (typeof shapes)[number]
type State = 'empty' | 'open' | 'closed'

const anySteps = fc.array(
  fc.record({
    slot: fc.nat(9),
    to: fc.constantFrom<State | 'gone'>('empty', 'open', 'closed', 'gone'),
    shape: fc.nat(4),
  }),
  { maxLength: 60 },
)

/** What is left of a host in each state, and its ships. */
const asIn = {
  empty: { ships: 0, left: 1 },
  open: { ships: 1, left: 0.5 },
  closed: { ships: 1, left: 0 },
}

engine(
  'one empty host of a shape stands ajar, if none of it is open, and no larger one empty with room to spare',
  () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        /** What an index believes that is told of every change. */
        const told = new Map<number, boolean>()
        const openings: Openings = new Openings((slot) => told.set(slot, openings.isAjar(slot)))
        const hosts = new Map<number, { shape: Shape; state: State }>()
        for (const { slot, to, shape: at } of steps) {
          const shape = hosts.get(slot)?.shape ?? (shapes[at] as Shape)
          if (to === 'gone') {
            openings.leave(slot)
            hosts.delete(slot)
          } else {
            if (!hosts.has(slot)) openings.enter(slot, shape)
            const { ships, left } = asIn[to]
            openings.follow(slot, ships, left * shape.cpuMillis, left * shape.memoryMiB)
            hosts.set(slot, { shape, state: to })
          }
          // Its own change is noted by who made it.
          told.set(slot, openings.isAjar(slot))
          for (const one of hosts.keys()) assert.is(openings.isAjar(one), told.get(one) ?? false)
          check(hosts, openings)
        }
      }),
      { numRuns: 500 },
    )
  },
)

function check(hosts: ReadonlyMap<number, { shape: Shape; state: State }>, openings: Openings): void {
  const all = [...hosts.values()]
  const leftOf = (resource: keyof Shape) => {
    const sum = (share: (state: State) => number) =>
      all.reduce((so, { shape, state }) => so + share(state) * shape[resource], 0)
    return (
      sum((state) => asIn[state].left) /
      Math.max(
        1,
        sum(() => 1),
      )
    )
  }
  const isTight = all.length > 0 && Math.min(leftOf('cpuMillis'), leftOf('memoryMiB')) < 0.35
  assert.is(openings.isTight, isTight)
  for (const shape of shapes) {
    const ofShape = [...hosts].filter(([, host]) => host.shape === shape)
    const ajar = ofShape.filter(([slot]) => openings.isAjar(slot))
    const empty = ofShape.some(([, { state }]) => state === 'empty')
    const open = ofShape.some(([, { state }]) => state === 'open')
    const smaller = all.some(
      ({ state, shape: { cpuMillis, memoryMiB } }) =>
        state === 'empty' && cpuMillis > shape.cpuMillis && memoryMiB > shape.memoryMiB,
    )
    assert.is(ajar.length, empty && !open && (isTight || !smaller) ? 1 : 0)
    for (const [, { state }] of ajar) assert.is(state, 'empty')
  }
}

engine.run()
