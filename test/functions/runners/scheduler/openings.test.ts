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

engine('one empty host of a shape stands ajar, if none of it is open and no larger one is empty', () => {
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
          openings.follow(slot, to === 'empty' ? 0 : 1, to === 'open' ? 0.5 : 0)
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
})

function check(hosts: ReadonlyMap<number, { shape: Shape; state: State }>, openings: Openings): void {
  const all = [...hosts.values()]
  for (const shape of shapes) {
    const ofShape = [...hosts].filter(([, host]) => host.shape === shape)
    const ajar = ofShape.filter(([slot]) => openings.isAjar(slot))
    const empty = ofShape.some(([, { state }]) => state === 'empty')
    const open = ofShape.some(([, { state }]) => state === 'open')
    const smaller = all.some(
      ({ state, shape: { cpuMillis, memoryMiB } }) =>
        state === 'empty' && cpuMillis > shape.cpuMillis && memoryMiB > shape.memoryMiB,
    )
    assert.is(ajar.length, empty && !open && !smaller ? 1 : 0)
    for (const [, { state }] of ajar) assert.is(state, 'empty')
  }
}

engine.run()
